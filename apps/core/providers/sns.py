"""Send text messages through SNS."""

from botocore import exceptions as aws
from django.conf import settings

from apps.core.message import segments

from ..exceptions import ChannelUnavailableError, NotSendable, PermanentError
from .aws.answers import message_id
from .aws.client import AwsClient
from .aws.errors import Vocabulary
from .base import Acceptance, SMSMessage

VOCABULARY = Vocabulary(
    {
        "InvalidParameter": PermanentError,
        "InvalidParameterValue": PermanentError,
        "ParameterValueInvalid": PermanentError,
        "OptedOut": PermanentError,
        "AuthorizationError": ChannelUnavailableError,
        "InvalidSecurity": ChannelUnavailableError,
    },
    # The message attributes come from our settings, so a refusal of one is not about the message.
    of_account=("senderid", "sender id", "maxprice", "smstype", "originationnumber"),
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

    def encode(self, message: SMSMessage) -> SMSMessage:
        try:
            f"{message.to} {message.text}".encode()
        except UnicodeEncodeError as error:
            raise NotSendable(f"it cannot be encoded: {error}", code="encoding") from error
        return message

    def send(self, message: SMSMessage) -> Acceptance:
        answer = self._client.call(
            "publish",
            PhoneNumber=message.to,
            Message=message.text,
            MessageAttributes=_attributes(message.text),
        )
        return Acceptance(self.name, message_id(answer))


def confirm_subscription(topic_arn: str, token: str) -> None:
    """Confirm a subscription to this topic by its token; raise DeliveryError.

    The address that came with the token is never fetched. A signed confirmation needs the right
    sns:ConfirmSubscription, and only the account's owner can undo it. A machine without
    credentials confirms without a signature; then any reader of a message could unsubscribe
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
    # SNS compares it with the price of all parts together.
    max_price = settings.SMS_MAX_PRICE_USD * segments.count(text).parts
    return {
        "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
        "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": settings.SMS_SENDER_ID},
        "AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": f"{max_price:f}"},
    }
