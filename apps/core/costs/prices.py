"""What SES charges for e-mails: by the setting, else by the plan that the account was last on.

Texts have a price table of their own: SMS_PRICES_USD.
"""

from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from apps.core.models import Mark

#: US dollars for 1,000 e-mails by the account's plan, as GetAccount names it. The other plans have
#: a monthly fee, so their price must be set. Prices of https://aws.amazon.com/ses/pricing/, read by
#: others in 2026 and not verified against an account.
PLAN_PRICES_USD = {"NONE": Decimal("0.10"), "ESSENTIALS": Decimal("0.16")}
_MARK = "SES plan "


def remember_plan(plan: str) -> None:
    """Note the plan on which the account is now. The newest note counts."""
    Mark.objects.update_or_create(name=_MARK + plan, defaults={"at": timezone.now()})


def plan() -> str:
    """Return the account's plan as last read, or "" if it never was."""
    mark = Mark.objects.filter(name__startswith=_MARK).order_by("-at").first()
    return mark.name.removeprefix(_MARK) if mark else ""


def emails_usd_per_1000() -> Decimal:
    """Return what 1,000 e-mails cost, in US dollars."""
    if settings.SES_PRICE_USD_PER_1000 is not None:
        return Decimal(settings.SES_PRICE_USD_PER_1000)
    return PLAN_PRICES_USD.get(plan(), PLAN_PRICES_USD["NONE"])


def emails_usd(count: int, per_1000: Decimal) -> Decimal:
    """Return what so many e-mails cost, in US dollars."""
    return count * per_1000 / 1000
