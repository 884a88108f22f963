"""How many text messages of a kind a month has, and what they cost."""

from datetime import timedelta
from decimal import ROUND_UP, Decimal

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from apps.core.models import Delivery
from apps.core.models.fields import HOME
from apps.core.states import SENT, Channel

MONTH = timedelta(days=30)
_CENT = Decimal("0.01")


def texts_by_kind() -> dict[str, int]:
    """Return how many text messages of each kind were sent in the last 30 days."""
    rows = Delivery.objects.filter(
        channel=Channel.SMS, state__in=SENT, created_at__gt=timezone.now() - MONTH
    )
    return dict(rows.values_list("notification__kind").annotate(Count("pk")).order_by())


def texts_of(kind: str) -> int:
    """Return how many text messages of this kind were sent in the last 30 days."""
    since = timezone.now() - MONTH
    # The notification's time too: its index finds the kind's newest rows.
    return Delivery.objects.filter(
        channel=Channel.SMS,
        state__in=SENT,
        notification__kind=kind,
        notification__created_at__gt=since,
    ).count()


def price(texts: int, parts: int) -> Decimal:
    """Return what so many texts of so many parts to numbers of this country cost, in US dollars."""
    each = settings.SMS_PRICES_USD.get(HOME, settings.SMS_MAX_PRICE_USD)
    return (each * texts * parts).quantize(_CENT, ROUND_UP)
