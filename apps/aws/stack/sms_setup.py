"""Sets SNS's attributes of text messages, which no stack can. Each Region has its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.conf import settings

from apps.aws.account import CallRefused, Operator, Stopped

from .parameters import plain

ROLE, LIMIT = "DeliveryStatusIAMRole", "MonthlySpendLimit"


@dataclass(frozen=True)
class AttributeChange:
    """One attribute to be set; `now` is empty if it has no value yet."""

    name: str
    now: str
    wanted: str

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "now": self.now, "wanted": self.wanted}


class NotGranted(Exception):
    """SNS refuses a limit as high as ours; the text says what to do."""


def refuse_other_region(region: str) -> None:
    """Raise Stopped if texts use another Region: a stack has logs and rights for one."""
    theirs = settings.AWS_SNS_REGION_NAME
    if theirs != region:
        raise Stopped(
            f"AWS_SNS_REGION is {theirs}, and everything would be set up in {region}",
            f"Set AWS_SNS_REGION={region}, or give --no-sms and set up by hand what texts need in "
            f"{theirs}: docs/deploy.md says what.",
        )


def attributes(operator: Operator, region: str) -> dict[str, str]:
    """Ask SNS for the attributes that are set; raises Unseen."""
    return dict(operator.look("sns", "GetSMSAttributes", region).get("attributes", {}))


def attribute_changes(now: Mapping[str, str], role_arn: str) -> list[AttributeChange]:
    """Return what is to be set. `role_arn`: the stack's, or words for a role to come."""
    wanted = {
        "DefaultSMSType": "Transactional",
        "DefaultSenderID": settings.SMS_SENDER_ID,
        ROLE: role_arn,
        "DeliveryStatusSuccessSamplingRate": "100",
        LIMIT: plain(settings.SMS_MONTHLY_SPEND_LIMIT_USD),
    }
    return [
        AttributeChange(name, now.get(name, ""), value)
        for name, value in wanted.items()
        if value and not _is_same(now.get(name, ""), value)
    ]


def _is_same(now: str, wanted: str) -> bool:
    try:
        return Decimal(now) == Decimal(wanted)
    except InvalidOperation:
        return now == wanted


def set_attributes(operator: Operator, region: str, wanted: list[AttributeChange]) -> None:
    """Set these attributes in one call; raises CallRefused, Stopped or Unseen."""
    operator.change(
        "sns", "SetSMSAttributes", region, attributes={each.name: each.wanted for each in wanted}
    )


def set_limit(operator: Operator, region: str, limit: AttributeChange) -> None:
    """Set the month's limit alone, because SNS may refuse it; raises NotGranted."""
    try:
        set_attributes(operator, region, [limit])
    except CallRefused as refused:
        if refused.code not in ("InvalidParameter", "InvalidParameterValue"):
            raise
        raise NotGranted(
            f"SNS takes no {LIMIT} of {limit.wanted} USD ({refused.words.rstrip('.')}). Ask AWS "
            "for a higher spending quota of text messages (Service Quotas, or a support case): a "
            "new account has 1 USD a month. Then run the same command again."
        ) from refused
