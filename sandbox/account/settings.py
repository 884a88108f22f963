"""The AWS account that the sandbox plays: set up correctly unless `/api/account` changes it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from sandbox import arns
from sandbox.account.cloudformation.stacks import Stack
from sandbox.json_input import Strict, patched

Amount = Annotated[float, Field(ge=-1, allow_inf_nan=False)]
IdentityStatus = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]
EventType = Literal[
    "SEND", "REJECT", "BOUNCE", "COMPLAINT", "DELIVERY", "OPEN", "CLICK", "RENDERING_FAILURE",
    "DELIVERY_DELAY", "SUBSCRIPTION",
]  # fmt: skip
EVERY_OUTCOME: tuple[EventType, ...] = (
    "SEND", "DELIVERY", "BOUNCE", "COMPLAINT", "REJECT", "DELIVERY_DELAY", "RENDERING_FAILURE",
)  # fmt: skip


class Suppressed(Strict):
    """One entry of SES's own suppression list."""

    address: str
    reason: Literal["BOUNCE", "COMPLAINT"] = "BOUNCE"
    at: Annotated[AwareDatetime, Field(strict=False)] = Field(
        default_factory=lambda: datetime.now(UTC)
    )


def _from_address(given: object) -> object:
    """Read a plain address as an address that bounced just now."""
    return {"address": given} if isinstance(given, str) else given


class Account(Strict):
    """The fields that `PATCH /api/account` may change, with AWS's names and values if it has any.

    None of them refuses a message; rules do that.
    """

    #: IAM actions that are denied, such as `ses:GetAccount`.
    denied: list[str] = []
    access_key_age_days: Annotated[int, Field(ge=0)] = 30
    #: The SMTP password is made of another user's access key.
    smtp_key_age_days: Annotated[int, Field(ge=0)] = 30

    production_access: bool = True
    sending_enabled: bool = True
    enforcement_status: Literal["HEALTHY", "PROBATION", "SHUTDOWN"] = "HEALTHY"
    max_24_hour_send: Amount = 50_000
    max_send_rate: Amount = 14
    pricing_plan: Literal["NONE", "ESSENTIALS", "PRO", "ENTERPRISE"] = "ESSENTIALS"
    #: None: the true count.
    sent_last_24_hours: Amount | None = None
    #: The outcome of the last request for production access; empty: there was no request.
    review_status: Literal["", "PENDING", "FAILED", "GRANTED", "DENIED"] = "GRANTED"
    #: The last parameters of PutAccountDetails.
    details: dict[str, Any] = {}
    suppressed: list[Annotated[Suppressed, BeforeValidator(_from_address)]] = []

    #: The logical ID of the resource that CloudFormation fails to create or update.
    stack_fails_at: str = ""

    identity: str = "rssystems.com"
    identity_verified: bool = True
    dkim_status: IdentityStatus = "SUCCESS"
    #: Empty: no MAIL FROM domain is set.
    mail_from_domain: str = "mail.rssystems.com"
    mail_from_status: IdentityStatus = "SUCCESS"

    configuration_set: str = "rs-systems-notifications"
    configuration_set_sending: bool = True
    event_destination: bool = True
    event_types: list[EventType] = list(EVERY_OUTCOME)
    event_destination_topic: str = arns.TOPIC

    topic: str = arns.TOPIC
    signature_version: Literal["1", "2"] = "2"
    #: Empty: the URL that the sandbox posts events to.
    subscription_endpoint: str = ""
    subscription_confirmed: bool = True
    subscription_raw: bool = False

    sms_in_sandbox: bool = False
    #: The highest MonthlySpendLimit that can be set, in US dollars.
    sms_spend_quota: Amount = 1000
    sms_attributes: dict[str, str] = {
        "MonthlySpendLimit": "50",
        "DefaultSMSType": "Transactional",
        "DeliveryStatusIAMRole": f"arn:aws:iam::{arns.ACCOUNT_ID}:role/sms-delivery-status",
        "DeliveryStatusSuccessSamplingRate": "100",
    }


class AwsAccount:
    """Holds the account's present settings and its CloudFormation stacks."""

    def __init__(self) -> None:
        self.now = Account()
        #: By ID. A deleted stack stays, and is found by its ID only.
        self.stacks: dict[str, Stack] = {}

    def patch(self, body: bytes) -> None:
        """Change the fields in a JSON object; raises ValueError with a sentence if it is wrong."""
        self.now = patched(self.now, body)

    def reset(self) -> None:
        """Set everything up correctly, without a stack."""
        self.now = Account()
        self.stacks.clear()

    def denies(self, action: str) -> bool:
        """Return whether the caller lacks an IAM permission, such as `ses:GetAccount`."""
        return action in self.now.denied

    def is_suppressed(self, address: str) -> bool:
        """Return whether SES's suppression list has the address, in any letter case."""
        return address.lower() in (each.address.lower() for each in self.now.suppressed)

    def suppress(self, address: str, reason: Literal["BOUNCE", "COMPLAINT"]) -> None:
        """Put the address on SES's suppression list, or renew its entry."""
        others = [each for each in self.now.suppressed if each.address.lower() != address.lower()]
        self._set_suppressed([*others, Suppressed(address=address, reason=reason)])

    def unsuppress(self, address: str) -> bool:
        """Take the address off the list if it has the same spelling; return whether it did."""
        others = [each for each in self.now.suppressed if each.address != address]
        found = len(others) < len(self.now.suppressed)
        self._set_suppressed(others)
        return found

    def _set_suppressed(self, entries: list[Suppressed]) -> None:
        self.now = self.now.model_copy(update={"suppressed": entries})

    def key_created_at(self, *, of_smtp: bool) -> datetime:
        days = self.now.smtp_key_age_days if of_smtp else self.now.access_key_age_days
        return datetime.now(UTC) - timedelta(days=days)
