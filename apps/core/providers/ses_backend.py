"""What both transports to SES share, as a Django e-mail backend.

Django's own backends discard the message ID, by which SES's events name a message.
"""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from .. import conf
from ..exceptions import ChannelUnavailableError, DeliveryError, NotSendable, PermanentError
from . import mail_format, ses_refusals
from .mail_format import Wire


class SESBackend(BaseEmailBackend):
    """Sends one message at a time and raises DeliveryError for the outcome.

    `send_messages` puts the provider's id on each message as `provider_message_id`.
    `fail_silently` is for Django's mail to the administrators: its failure must not hide the error
    that it reports.

    Subclasses must implement `hand_over`.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send each message and return how many; raise DeliveryError at the first failure."""
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

    def hand_over(self, wire: Wire) -> str:
        """Hand the message to SES and return its ID there; raise DeliveryError."""
        raise NotImplementedError

    def send_wire(self, wire: Wire) -> str:
        """Send one encoded message and return its ID; raise DeliveryError."""
        try:
            return self.hand_over(wire)
        except ChannelUnavailableError as error:
            if ses_refusals.names_recipient(error, wire.sender, wire.recipients):
                # An account in SES's sandbox reaches verified recipients only, and this one is not.
                raise PermanentError(error.detail, code=error.code) from error
            raise
        except PermanentError as error:
            if ses_refusals.names_sender(error, wire.sender):
                # The settings are wrong, not the message: every message would end like this.
                raise ChannelUnavailableError(error.detail, code=error.code) from error
            raise

    def _deliver(self, message: EmailMessage) -> str:
        # Django's own mail to the administrators passes no other check.
        for address in message.recipients():
            if not conf.may_reach(address):
                raise NotSendable("not among the recipients that staging may reach")
        return self.send_wire(mail_format.of_django(message))
