"""What both ways to SES have in common, as a Django e-mail backend.

Django's own backends say nothing of the message id by which SES's events name a message.
"""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import sanitize_address

from .. import conf
from ..exceptions import ChannelUnavailableError, DeliveryError, NotSendable, PermanentError
from . import ses_refusals


class SESBackend(BaseEmailBackend):
    """Sends one message at a time, and says what became of it.

    `send_messages` puts the provider's id on each message as `provider_message_id`.
    `fail_silently` is for Django's mail to the administrators: a failure there must not hide the
    error that it tells of.

    Subclasses must implement `hand_over`.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send each message; returns how many, raises DeliveryError at the first that fails."""
        sent = 0
        for message in email_messages:
            try:
                message.provider_message_id = self._deliver(message)  # type: ignore[attr-defined]
            except DeliveryError:
                if not self.fail_silently:
                    raise
            else:
                sent += 1
        return sent

    def hand_over(self, message: EmailMessage, sender: str, recipients: list[str]) -> str:
        """Have SES take the message; returns its id there, raises DeliveryError."""
        raise NotImplementedError

    def _deliver(self, message: EmailMessage) -> str:
        # The last gate: Django's own mail to the administrators passes no other.
        for address in message.recipients():
            if not conf.may_reach(address):
                raise NotSendable("not among the recipients that staging may reach")
        sender = sanitize_address(message.from_email, "utf-8")
        recipients = [sanitize_address(to, "utf-8") for to in message.recipients()]
        try:
            return self.hand_over(message, sender, recipients)
        except ChannelUnavailableError as error:
            if ses_refusals.names_recipient(error, sender, recipients):
                # An account in SES's sandbox reaches verified recipients alone: this one is not.
                raise PermanentError(error.detail, code=error.code) from error
            raise
