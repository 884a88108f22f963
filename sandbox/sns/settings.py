"""SNS's settings: the topic, its subscription, and the account's SMS attributes."""

import re
from xml.sax.saxutils import escape

from sandbox.account.settings import AwsAccount
from sandbox.arns import ACCOUNT_ID, REGION
from sandbox.net.query_protocol import CallRefused, Parameters, Queries, map_of
from sandbox.sns.sms import InvalidParameter

#: SNS's word in place of the ARN of an unconfirmed subscription.
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


class SnsSettings:
    """Answers boto3's `sns` client about the account's settings."""

    def __init__(self, account: AwsAccount, events_url: str) -> None:
        """`events_url`: the subscriber's, unless the account's settings name another."""
        self._account = account
        self._events_url = events_url
        self.queries = Queries(
            "sns",
            account.denies,
            {
                "GetTopicAttributes": self._topic_attributes,
                "ListSubscriptionsByTopic": self._subscriptions,
                "GetSubscriptionAttributes": self._subscription_attributes,
                "GetSMSAttributes": self._sms_attributes,
                "SetSMSAttributes": self._set_sms_attributes,
                "GetSMSSandboxAccountStatus": self._sms_sandbox,
            },
        )

    def _topic_attributes(self, parameters: Parameters) -> str:
        now = self._account.now
        self._refuse_other_topics(parameters)
        attributes = {"TopicArn": now.topic, "Owner": ACCOUNT_ID}
        # SNS leaves the attribute out while the version is the default, 1.
        if now.signature_version == "2":
            attributes["SignatureVersion"] = "2"
        return map_of("Attributes", attributes)

    def _subscriptions(self, parameters: Parameters) -> str:
        now = self._account.now
        self._refuse_other_topics(parameters)
        endpoint = now.subscription_endpoint or self._events_url
        if not endpoint:
            return "<Subscriptions></Subscriptions>"
        fields = {
            "SubscriptionArn": self._subscription() if now.subscription_confirmed else PENDING,
            "Owner": ACCOUNT_ID,
            "Protocol": _protocol(endpoint),
            "Endpoint": endpoint,
            "TopicArn": now.topic,
        }
        member = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
        return f"<Subscriptions><member>{member}</member></Subscriptions>"

    def _subscription_attributes(self, parameters: Parameters) -> str:
        now = self._account.now
        if parameters.get("SubscriptionArn") != self._subscription():
            raise CallRefused("NotFound", "Subscription does not exist", 404)
        return map_of(
            "Attributes",
            {
                "SubscriptionArn": self._subscription(),
                "PendingConfirmation": str(not now.subscription_confirmed).lower(),
                "RawMessageDelivery": str(now.subscription_raw).lower(),
            },
        )

    def _sms_attributes(self, parameters: Parameters) -> str:
        return map_of("attributes", self._account.now.sms_attributes)

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
            raise CallRefused("NotFound", "Topic does not exist", 404)

    def _subscription(self) -> str:
        return f"{self._account.now.topic}:{_SUBSCRIPTION}"


def _protocol(endpoint: str) -> str:
    return "sqs" if endpoint.startswith(f"arn:aws:sqs:{REGION}") else endpoint.partition(":")[0]
