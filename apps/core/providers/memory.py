"""Both providers for tests: they keep messages in memory, or raise what a test puts in."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from ..exceptions import DeliveryError
from .base import Acceptance, SMSMessage

emails: list[EmailMessage] = []
texts: list[SMSMessage] = []
#: Errors that the next calls raise, one each, before anything is accepted again.
failures: deque[DeliveryError] = deque()
#: Several threads send at the same time.
_lock = threading.Lock()

Message = TypeVar("Message")


def clear() -> None:
    emails.clear()
    texts.clear()
    failures.clear()


class EmailBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            message.provider_message_id = _keep(message, emails)  # type: ignore[attr-defined]
        return len(email_messages)


class SMS:
    name = "memory"

    def encode(self, message: SMSMessage) -> SMSMessage:
        return message

    def send(self, message: SMSMessage) -> Acceptance:
        return Acceptance(self.name, _keep(message, texts))


def _keep(message: Message, kept: list[Message]) -> str:
    with _lock:
        if failures:
            raise failures.popleft()
        kept.append(message)
        return f"memory-{len(kept)}"
