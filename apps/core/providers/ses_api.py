"""Send by SES's API, version 2, with the credentials that boto3 finds."""

from typing import Any

from django.conf import settings

from ..exceptions import ChannelUnavailableError, PermanentError, ThrottledError, TransientError
from . import ses_headers, ses_refusals
from .aws.answers import message_id
from .aws.client import AwsClient
from .aws.errors import Vocabulary
from .mail_format import Wire
from .ses_backend import SESBackend

#: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html. Only the words of an
#: error distinguish the day's quota from the rate, as in SMTP.
VOCABULARY = Vocabulary(
    {
        "TooManyRequestsException": ThrottledError,
        "LimitExceededException": TransientError,
        "AccountSuspendedException": ChannelUnavailableError,
        "SendingPausedException": ChannelUnavailableError,
        "MailFromDomainNotVerifiedException": ChannelUnavailableError,
        # The configuration set: nothing else is looked up for a send.
        "NotFoundException": ChannelUnavailableError,
        "MessageRejected": PermanentError,
        "BadRequestException": PermanentError,
    },
    of_account=ses_refusals.OF_ACCOUNT,
)


class EmailBackend(SESBackend):
    """Sends with one client for the life of the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._client = AwsClient(
            "sesv2",
            settings.AWS_SES_REGION_NAME,
            VOCABULARY,
            read_timeout=settings.EMAIL_TIMEOUT,
        )

    def open(self) -> None:
        """Open the client; raise ChannelUnavailableError."""
        self._client.open()

    def hand_over(self, wire: Wire) -> str:
        answer = self._client.call(
            "send_email",
            # SES puts it into the From header, which says the same.
            FromEmailAddress=wire.sender,
            Destination={"ToAddresses": wire.recipients},
            Content={"Raw": {"Data": wire.payload}},
            **ses_headers.as_parameters(wire.ses),
        )
        return message_id(answer)
