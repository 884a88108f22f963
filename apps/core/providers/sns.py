"""Text messages through SNS."""

from botocore import exceptions as aws
from django.conf import settings

from apps.core.message import segments

from ..exceptions import ChannelUnavailableError, PermanentError, TransientError
from .aws.client import AwsClient
from .aws.errors import Vocabulary
from .base import Acceptance, SMSMessage

VOCABULARY = Vocabulary(
    {
        "InvalidParameter": PermanentError,
        "InvalidParameterValue": PermanentError,
        "ParameterValueInvalid": PermanentError,
        "OptedOut": PermanentError,
        "InternalError": TransientError,
        "InternalFailure": TransientError,
        "AuthorizationError": ChannelUnavailableError,
        "InvalidSecurity": ChannelUnavailableError,
    }
)

#: Seconds that an answer may take.
ANSWER_S = 10.0


class SNS:
    """One client for the life of the process."""

    name = "sns"

    def __init__(self) -> None:
        self._client = AwsClient(
            "sns", settings.AWS_SNS_REGION_NAME, VOCABULARY, read_timeout=ANSWER_S
        )

    def prepare(self) -> None:
        """Have a client; boto3 opens its connections by itself, and keeps them."""
        self._client.open()

    def send(self, message: SMSMessage) -> Acceptance:
        answer = self._client.call(
            "publish",
            PhoneNumber=message.to,
            Message=message.text,
            MessageAttributes=_attributes(message.text),
        )
        return Acceptance(self.name, answer["MessageId"])


def confirm_subscription(topic_arn: str, token: str) -> None:
    """Tell SNS that its messages of this topic are wanted; raises DeliveryError.

    By the token and never by the address that came with it, and so that nobody but the account's
    owner can undo it, which takes sns:ConfirmSubscription. A machine without credentials confirms
    without a signature, and whoever reads a message of the topic could then unsubscribe it
    (https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html).
    """
    try:
        _confirm(topic_arn, Token=token, AuthenticateOnUnsubscribe="true")
    except ChannelUnavailableError as error:
        if error.code != aws.NoCredentialsError.__name__:
            raise
        _confirm(topic_arn, signed=False, Token=token)


def _confirm(topic_arn: str, *, signed: bool = True, **parameters: str) -> None:
    region = topic_arn.split(":")[3]
    client = AwsClient("sns", region, VOCABULARY, read_timeout=ANSWER_S, signed=signed)
    client.call("confirm_subscription", TopicArn=topic_arn, **parameters)


def _attributes(text: str) -> dict[str, dict[str, str]]:
    # SNS compares it with the price of the whole message, which is that of its parts together.
    max_price = settings.SMS_MAX_PRICE_USD * segments.count(text).parts
    return {
        "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
        "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": settings.SMS_SENDER_ID},
        "AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": f"{max_price:f}"},
    }
