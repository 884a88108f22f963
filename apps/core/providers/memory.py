"""Both providers for tests: they keep messages in memory, or raise what a test puts in."""

from collections import deque
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from ..exceptions import DeliveryError
from .base import Acceptance, SMSMessage

emails: list[EmailMessage] = []
texts: list[SMSMessage] = []
#: Errors that the next calls raise, one each, before anything is accepted again.
failures: deque[DeliveryError] = deque()


def clear() -> None:
    emails.clear()
    texts.clear()
    failures.clear()


class EmailBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            if failures:
                raise failures.popleft()
            emails.append(message)
            message.provider_message_id = f"memory-{len(emails)}"  # type: ignore[attr-defined]
        return len(email_messages)


class SMS:
    name = "memory"

    def encode(self, message: SMSMessage) -> SMSMessage:
        return message

    def send(self, message: SMSMessage) -> Acceptance:
        if failures:
            raise failures.popleft()
        texts.append(message)
        return Acceptance(self.name, f"memory-{len(texts)}")
