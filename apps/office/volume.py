"""How many text messages of a kind a month has, and what they cost."""

from datetime import UTC, timedelta
from decimal import ROUND_UP, Decimal

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from apps.core.addresses import HOME
from apps.core.models import CostTally
from apps.core.states import Channel

MONTH = timedelta(days=30)
_CENT = Decimal("0.01")


def texts_by_kind() -> dict[str, int]:
    """Return how many text messages of each kind were accepted in the last 30 days (UTC)."""
    today = timezone.now().astimezone(UTC).date()
    rows = CostTally.objects.filter(channel=Channel.SMS, day__gt=today - MONTH).order_by()
    return dict(rows.values_list("kind").annotate(Sum("messages")))


def price(texts: int, parts: int) -> Decimal:
    """Return what so many texts of so many parts to numbers of this country cost, in US dollars."""
    each = settings.SMS_PRICES_USD.get(HOME, settings.SMS_MAX_PRICE_USD)
    return (each * texts * parts).quantize(_CENT, ROUND_UP)
