"""Text messages through SNS."""

from typing import Any

import boto3
from botocore import exceptions as aws
from botocore.config import Config
from django.conf import settings

from ..exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from .base import Receipt, SMSMessage

#: One attempt only: boto3's own retries sent one message three times after a time-out.
CONFIG = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1}
)

_PERMANENT = {"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid"} | {
    "ValidationException",
    "ValidationError",
    "OptedOut",
}
_TRANSIENT = {"InternalError", "InternalFailure", "ServiceUnavailable"}
#: Beside whatever comes with HTTP 401 or 403
#: (https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html).
_ACCOUNT = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "MissingAuthenticationToken",
    "OptInRequired",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
#: Nothing of the request left this machine, or nobody took the connection.
_NOT_SENT = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError)
_MISCONFIGURED = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.NoRegionError,
    aws.ParamValidationError,
)


class SNS:
    """One client for the life of the process."""

    name = "sns"

    def __init__(self) -> None:
        # A session of its own: the default one would keep the first credentials it ever saw.
        try:
            self._client: Any = boto3.Session().client(
                "sns", region_name=settings.AWS_SNS_REGION_NAME, config=CONFIG
            )
        except (aws.BotoCoreError, ValueError) as error:
            # A region or an address that cannot be.
            raise ChannelUnavailableError(str(error), code=type(error).__name__) from error

    def prepare(self) -> None:
        """boto3 opens its connections by itself, and keeps them."""

    def send(self, message: SMSMessage) -> Receipt:
        try:
            answer = self._client.publish(
                PhoneNumber=message.to, Message=message.text, MessageAttributes=_attributes()
            )
        except aws.ClientError as error:
            raise _from_answer(error) from error
        except aws.BotoCoreError as error:
            raise _from_failure(error) from error
        return Receipt(self.name, answer["MessageId"])


def confirm_subscription(topic_arn: str, token: str) -> None:
    """Tell SNS that its messages of this topic are wanted; raises DeliveryError.

    By the token and never by the address that came with it, and so that nobody but the account's
    owner can undo it.
    """
    try:
        client = boto3.Session().client("sns", region_name=topic_arn.split(":")[3], config=CONFIG)
        client.confirm_subscription(
            TopicArn=topic_arn, Token=token, AuthenticateOnUnsubscribe="true"
        )
    except aws.ClientError as error:
        raise _from_answer(error) from error
    except aws.BotoCoreError as error:
        raise _from_failure(error) from error


def _attributes() -> dict[str, dict[str, str]]:
    return {
        "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
        "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": settings.SMS_SENDER_ID},
        "AWS.SNS.SMS.MaxPrice": {
            "DataType": "Number",
            "StringValue": str(settings.SMS_MAX_PRICE_USD),
        },
    }


def _from_answer(error: aws.ClientError) -> DeliveryError:
    code = error.response["Error"].get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code.startswith("Throttl") or status == 429:
        kind: type[DeliveryError] = ThrottledError
    elif code in _PERMANENT:
        kind = PermanentError
    elif code in _TRANSIENT:
        kind = TransientError
    elif code in _ACCOUNT or status in (401, 403):
        kind = ChannelUnavailableError
    elif status >= 500:
        kind = AmbiguousError
    else:
        # A refusal that nobody knows: it may be about this message alone, so it stops no other.
        kind = TransientError
    return kind(error.response["Error"].get("Message", ""), code=code or str(status))


def _from_failure(error: aws.BotoCoreError) -> DeliveryError:
    if isinstance(error, _MISCONFIGURED):
        kind: type[DeliveryError] = ChannelUnavailableError
    elif isinstance(error, _NOT_SENT):
        kind = TransientError
    else:
        kind = AmbiguousError
    return kind(str(error), code=type(error).__name__)
