"""The query protocol's actions that tell of the account: those of SNS, STS and IAM."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from aiohttp import web

from sandbox.account import AwsAccount
from sandbox.clock import iso
from sandbox.place import ACCOUNT_ID, REGION
from sandbox.sms import InvalidParameter, SnsError
from sandbox.topic import Topic

USER = f"arn:aws:iam::{ACCOUNT_ID}:user/sandbox"
ACCESS_KEY_ID = "SANDBOXACCESSKEY0001"
#: The user whose access key is that of the SMTP endpoint.
SMTP_OWNER = "ses-smtp"
#: What SNS says in place of the ARN of a subscription that nobody has confirmed.
PENDING = "PendingConfirmation"

_SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
_SMS_ATTRIBUTES = frozenset(
    {
        "MonthlySpendLimit",
        "DeliveryStatusIAMRole",
        "DeliveryStatusSuccessSamplingRate",
        "DefaultSenderID",
        "DefaultSMSType",
        "UsageReportS3Bucket",
    }
)

Parameters = Mapping[str, str]
Action = Callable[[Parameters], str]


class AccountQueries:
    """Answers those calls; whoever serves the port asks `knows` first."""

    def __init__(self, account: AwsAccount, topic: Topic, smtp_user: str) -> None:
        """`smtp_user`: whom the SMTP endpoint lets in, which is the id of an access key."""
        self._account = account
        self._topic = topic
        self._smtp_user = smtp_user
        self._actions: Mapping[str, tuple[str, Action]] = {
            "GetCallerIdentity": ("sts", self._caller),
            "GetAccessKeyLastUsed": ("iam", self._last_used),
            "ListAccessKeys": ("iam", self._keys),
            "GetTopicAttributes": ("sns", self._topic_attributes),
            "ListSubscriptionsByTopic": ("sns", self._subscriptions),
            "GetSubscriptionAttributes": ("sns", self._subscription_attributes),
            "GetSMSAttributes": ("sns", self._sms_attributes),
            "SetSMSAttributes": ("sns", self._set_sms_attributes),
            "GetSMSSandboxAccountStatus": ("sns", self._sms_sandbox),
        }

    async def answer(self, request: web.Request) -> web.Response | None:
        """The answer to one call; None where it is none of these."""
        parameters = dict(parse_qsl((await request.read()).decode("utf-8", "replace")))
        name = parameters.get("Action", "")
        if name not in self._actions:
            return None
        service, action = self._actions[name]
        try:
            if self._account.denies(f"{service}:{name}"):
                raise denied(service, name)
            return success(name, action(parameters))
        except SnsError as error:
            return refusal(error)

    def _caller(self, parameters: Parameters) -> str:
        return f"<Arn>{USER}</Arn><UserId>SANDBOX</UserId><Account>{ACCOUNT_ID}</Account>"

    def _last_used(self, parameters: Parameters) -> str:
        # To AWS a key that does not exist is one that nobody may ask about.
        if parameters.get("AccessKeyId") != self._smtp_user:
            raise denied("iam", "GetAccessKeyLastUsed")
        last = (
            f"<LastUsedDate>{iso(datetime.now(UTC))}</LastUsedDate>"
            f"<ServiceName>ses</ServiceName><Region>{REGION}</Region>"
        )
        return f"<UserName>{SMTP_OWNER}</UserName><AccessKeyLastUsed>{last}</AccessKeyLastUsed>"

    def _keys(self, parameters: Parameters) -> str:
        owner = parameters.get("UserName", "sandbox")
        of_smtp = owner == SMTP_OWNER
        key_id = self._smtp_user if of_smtp else ACCESS_KEY_ID
        created = iso(self._account.key_created_at(of_smtp=of_smtp))
        key = (
            f"<UserName>{owner}</UserName><Status>Active</Status>"
            f"<AccessKeyId>{key_id}</AccessKeyId><CreateDate>{created}</CreateDate>"
        )
        members = f"<AccessKeyMetadata><member>{key}</member></AccessKeyMetadata>"
        return f"{members}<IsTruncated>false</IsTruncated>"

    def _topic_attributes(self, parameters: Parameters) -> str:
        now = self._account.now
        self._refuse_other_topics(parameters)
        attributes = {"TopicArn": now.topic, "Owner": ACCOUNT_ID}
        # SNS leaves it out where nobody has set it, which is version 1.
        if now.signature_version == "2":
            attributes["SignatureVersion"] = "2"
        return _map("Attributes", attributes)

    def _subscriptions(self, parameters: Parameters) -> str:
        now = self._account.now
        self._refuse_other_topics(parameters)
        confirmed = now.subscription_confirmed
        endpoint = now.subscription_endpoint or self._topic.url
        fields = {
            "SubscriptionArn": self._subscription() if confirmed else PENDING,
            "Owner": ACCOUNT_ID,
            "Protocol": _protocol(endpoint),
            "Endpoint": endpoint,
            "TopicArn": now.topic,
        }
        member = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
        return f"<Subscriptions>{f'<member>{member}</member>' if endpoint else ''}</Subscriptions>"

    def _subscription_attributes(self, parameters: Parameters) -> str:
        now = self._account.now
        if parameters.get("SubscriptionArn") != self._subscription():
            raise SnsError("NotFound", "Subscription does not exist", status=404)
        return _map(
            "Attributes",
            {
                "SubscriptionArn": self._subscription(),
                "PendingConfirmation": str(not now.subscription_confirmed).lower(),
                "RawMessageDelivery": str(now.subscription_raw).lower(),
            },
        )

    def _sms_attributes(self, parameters: Parameters) -> str:
        return _map("attributes", self._account.now.sms_attributes)

    def _set_sms_attributes(self, parameters: Parameters) -> str:
        given: dict[str, str] = {}
        while (entry := f"attributes.entry.{len(given) + 1}") and f"{entry}.key" in parameters:
            name = parameters[f"{entry}.key"]
            if name not in _SMS_ATTRIBUTES:
                raise InvalidParameter(f"{name} is not an SMS attribute")
            given[name] = parameters.get(f"{entry}.value", "")
        self._refuse_above_quota(given.get("MonthlySpendLimit", "0"))
        attributes = self._account.now.sms_attributes | given
        self._account.now = self._account.now.model_copy(update={"sms_attributes": attributes})
        return ""

    def _refuse_above_quota(self, limit: str) -> None:
        quota = self._account.now.sms_spend_quota
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", limit) or float(limit) > quota:
            raise InvalidParameter(f"MonthlySpendLimit Reason: it must be from 0 to {quota:g}")

    def _sms_sandbox(self, parameters: Parameters) -> str:
        return f"<IsInSandbox>{str(self._account.now.sms_in_sandbox).lower()}</IsInSandbox>"

    def _refuse_other_topics(self, parameters: Parameters) -> None:
        if parameters.get("TopicArn") != self._account.now.topic:
            raise SnsError("NotFound", "Topic does not exist", status=404)

    def _subscription(self) -> str:
        return f"{self._account.now.topic}:{_SUBSCRIPTION}"


def denied(service: str, action: str) -> SnsError:
    """What stands in the place of an answer to whoever may not have it."""
    code = "AuthorizationError" if service == "sns" else "AccessDenied"
    return SnsError(code, f"User: {USER} is not authorized to perform: {service}:{action}", 403)


def _protocol(endpoint: str) -> str:
    return "sqs" if endpoint.startswith(f"arn:aws:sqs:{REGION}") else endpoint.partition(":")[0]


def _map(name: str, values: Mapping[str, str]) -> str:
    entries = "".join(
        f"<entry><key>{key}</key><value>{escape(value)}</value></entry>"
        for key, value in values.items()
    )
    return f"<{name}>{entries}</{name}>"


def success(action: str, result: str) -> web.Response:
    """The answer to a call, around the XML of its result."""
    metadata = f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
    wrapped = f"<{action}Result>{result}</{action}Result>"
    return _xml(f"<{action}Response>{wrapped}{metadata}</{action}Response>")


def refusal(error: SnsError) -> web.Response:
    """The answer to a call that is refused."""
    detail = f"<Type>Sender</Type><Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
    body = f"<Error>{detail}</Error><RequestId>{uuid4()}</RequestId>"
    return _xml(f"<ErrorResponse>{body}</ErrorResponse>", error.status)


def _xml(document: str, status: int = 200) -> web.Response:
    return web.Response(text=document, status=status, content_type="text/xml")
