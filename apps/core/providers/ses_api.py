"""SES by version 2 of its API, with whatever credentials boto3 finds: a role needs no password."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from ..exceptions import ChannelUnavailableError, PermanentError, ThrottledError, TransientError
from . import ses_headers, ses_refusals
from .aws.client import AwsClient
from .aws.errors import Vocabulary
from .ses_backend import SESBackend

#: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html. The day's quota is
#: told from the rate by its words, as it is by SMTP.
VOCABULARY = Vocabulary(
    {
        "TooManyRequestsException": ThrottledError,
        "LimitExceededException": TransientError,
        "AccountSuspendedException": ChannelUnavailableError,
        "SendingPausedException": ChannelUnavailableError,
        "MailFromDomainNotVerifiedException": ChannelUnavailableError,
        # All that a sending names and may not find: the configuration set.
        "NotFoundException": ChannelUnavailableError,
        "MessageRejected": PermanentError,
        "BadRequestException": PermanentError,
    },
    of_account=ses_refusals.OF_ACCOUNT,
)


class EmailBackend(SESBackend):
    """Sends with a client that is kept."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._client = AwsClient(
            "sesv2",
            settings.AWS_SES_REGION_NAME,
            VOCABULARY,
            read_timeout=settings.EMAIL_TIMEOUT,
        )

    def open(self) -> None:
        """Have a client; raises ChannelUnavailableError."""
        self._client.open()

    def hand_over(self, message: EmailMessage, sender: str, recipients: list[str]) -> str:
        mime = message.message()
        parameters = ses_headers.take_out(mime)
        answer = self._client.call(
            "send_email",
            # SES puts it in place of the header From, which says the same.
            FromEmailAddress=sender,
            Destination={"ToAddresses": recipients},
            Content={"Raw": {"Data": mime.as_bytes(linesep="\r\n")}},  # type: ignore[call-arg]
            **parameters,
        )
        return str(answer["MessageId"])
