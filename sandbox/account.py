"""The AWS account that the stand-ins pretend to be: set up as it should be, or as told."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError

from sandbox.new_rule import Strict
from sandbox.place import ACCOUNT_ID
from sandbox.stacks import Stack
from sandbox.topic import ARN

Amount = Annotated[float, Field(ge=-1, allow_inf_nan=False)]
IdentityStatus = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]
EventType = Literal[
    "SEND", "REJECT", "BOUNCE", "COMPLAINT", "DELIVERY", "OPEN", "CLICK", "RENDERING_FAILURE",
    "DELIVERY_DELAY", "SUBSCRIPTION",
]  # fmt: skip
EVERY_OUTCOME: tuple[EventType, ...] = (
    "SEND", "DELIVERY", "BOUNCE", "COMPLAINT", "REJECT", "DELIVERY_DELAY", "RENDERING_FAILURE",
)  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


class Suppressed(Strict):
    """One entry of SES's own suppression list."""

    address: str
    reason: Literal["BOUNCE", "COMPLAINT"] = "BOUNCE"
    at: Annotated[AwareDatetime, Field(strict=False)] = Field(default_factory=now)


def _entry(given: object) -> object:
    """An address alone is one that bounced just now."""
    return {"address": given} if isinstance(given, str) else given


class Account(Strict):
    """What `PATCH /api/account` may change; the names and values are those of AWS where it has any.

    Nothing here changes what is sent: that is what rules are for.
    """

    #: IAM actions that are denied, as in `ses:GetAccount`.
    denied: list[str] = []
    access_key_age_days: Annotated[int, Field(ge=0)] = 30
    #: Of the key that the SMTP password was made of, which is another user's.
    smtp_key_age_days: Annotated[int, Field(ge=0)] = 30

    production_access: bool = True
    sending_enabled: bool = True
    enforcement_status: Literal["HEALTHY", "PROBATION", "SHUTDOWN"] = "HEALTHY"
    max_24_hour_send: Amount = 50_000
    max_send_rate: Amount = 14
    #: None: what was sent.
    sent_last_24_hours: Amount | None = None
    #: What came of the last request for production access; empty: nobody ever asked.
    review_status: Literal["", "PENDING", "FAILED", "GRANTED", "DENIED"] = "GRANTED"
    #: What PutAccountDetails was told.
    details: dict[str, Any] = {}
    suppressed: list[Annotated[Suppressed, BeforeValidator(_entry)]] = []

    #: The resource, by its logical id, that CloudFormation fails to make or change.
    stack_fails_at: str = ""

    identity: str = "rssystems.com"
    identity_verified: bool = True
    dkim_status: IdentityStatus = "SUCCESS"
    #: Empty: none is set.
    mail_from_domain: str = "mail.rssystems.com"
    mail_from_status: IdentityStatus = "SUCCESS"

    configuration_set: str = "rs-systems-notifications"
    configuration_set_sending: bool = True
    event_destination: bool = True
    event_types: list[EventType] = list(EVERY_OUTCOME)
    event_destination_topic: str = ARN

    topic: str = ARN
    signature_version: Literal["1", "2"] = "2"
    #: Empty: where the sandbox posts events to.
    subscription_endpoint: str = ""
    subscription_confirmed: bool = True
    subscription_raw: bool = False

    sms_in_sandbox: bool = False
    #: US dollars: the highest MonthlySpendLimit that can be set.
    sms_spend_quota: Amount = 1000
    sms_attributes: dict[str, str] = {
        "MonthlySpendLimit": "50",
        "DefaultSMSType": "Transactional",
        "DeliveryStatusIAMRole": f"arn:aws:iam::{ACCOUNT_ID}:role/sms-delivery-status",
        "DeliveryStatusSuccessSamplingRate": "100",
    }


class AwsAccount:
    """The account as it is now."""

    def __init__(self) -> None:
        self.now = Account()
        #: By their ids. A deleted one stays, and is found by its id alone.
        self.stacks: dict[str, Stack] = {}

    def patch(self, body: bytes) -> None:
        """Change the fields that a JSON object has; ValueError with a sentence for what is none."""
        given = json.loads(body)
        if not isinstance(given, dict):
            raise ValueError("the body must be a JSON object")
        try:
            self.now = Account.model_validate(self.now.model_dump() | given)
        except ValidationError as error:
            raise ValueError("; ".join(_sentence(dict(each)) for each in error.errors())) from error

    def reset(self) -> None:
        """Set everything up as it should be, without a stack."""
        self.now = Account()
        self.stacks.clear()

    def denies(self, action: str) -> bool:
        return action in self.now.denied

    def suppresses(self, address: str) -> bool:
        """Whether SES sends nothing to the address, in whatever letter case."""
        return address.lower() in (each.address.lower() for each in self.now.suppressed)

    def suppress(self, address: str, reason: Literal["BOUNCE", "COMPLAINT"]) -> None:
        """Put the address on SES's list, anew where it is there already."""
        others = [each for each in self.now.suppressed if each.address.lower() != address.lower()]
        self._set_suppressed([*others, Suppressed(address=address, reason=reason)])

    def unsuppress(self, address: str) -> bool:
        """Take the address off it, spelled as it is there; whether it was."""
        others = [each for each in self.now.suppressed if each.address != address]
        found = len(others) < len(self.now.suppressed)
        self._set_suppressed(others)
        return found

    def _set_suppressed(self, entries: list[Suppressed]) -> None:
        self.now = self.now.model_copy(update={"suppressed": entries})

    def key_created_at(self, *, of_smtp: bool) -> datetime:
        days = self.now.smtp_key_age_days if of_smtp else self.now.access_key_age_days
        return datetime.now(UTC) - timedelta(days=days)


def _sentence(error: dict[str, Any]) -> str:
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{field} is not a field; the fields are {', '.join(Account.model_fields)}"
    return f"{field} {error['msg'].replace('Input should be', 'must be', 1)}"
