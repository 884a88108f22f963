"""Check what people type about a repair: sums and reasons."""

from decimal import Decimal

from django.utils.translation import gettext

from apps.core.message import user_text
from apps.core.message.kinds import format_money

from .exceptions import NotAllowed

MAX_AMOUNT = Decimal("99999.99")
MAX_REASON = 500


def clean_reason(typed: str, why: str) -> str:
    """Return the reason, cleaned. Raises NotAllowed, which says `why` one is needed."""
    reason = user_text.clean(typed).strip()
    if not user_text.has_visible(reason) or len(reason) > MAX_REASON:
        raise NotAllowed(
            gettext("Give a reason of at most {count} characters: {why}.").format(
                count=MAX_REASON, why=why
            )
        )
    return reason


def clean_amount(amount: Decimal) -> Decimal:
    """Return the amount in whole cents (US dollars). Raises NotAllowed if it is out of range."""
    if not 0 <= amount <= MAX_AMOUNT:
        raise NotAllowed(
            gettext("An amount is between {least} and {most}.").format(
                least=format_money(Decimal(0)), most=format_money(MAX_AMOUNT)
            )
        )
    # abs() removes the sign of a negative zero.
    return abs(amount).quantize(Decimal("0.01"))
