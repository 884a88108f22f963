"""The month's SMS budget: money is reserved before the call and released if none was spent.

A reservation is one conditional UPDATE of the month's row, so concurrent workers cannot exceed the
limit. Every transaction writes the delivery first and the month last. So two of them never
deadlock, and the month's row, which all workers share, is locked for a moment only.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, date
from decimal import ROUND_UP, Decimal
from uuid import UUID

import phonenumbers
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now, Round
from django.utils import timezone

from apps.core.exceptions import BudgetExhausted
from apps.core.models import Delivery, SMSSpend
from apps.core.reasons import Reason
from apps.core.states import DeliveryState, Priority

#: The decimal places of an amount in the database.
PLACES = 5


def price(number: str, parts: int) -> Decimal:
    """Return the highest price of a message of so many parts to an E.164 number, in US dollars."""
    return price_in(country(number), parts)


def price_in(country: str, parts: int) -> Decimal:
    """Return the highest price of a message of so many parts to a country, in US dollars."""
    each = settings.SMS_PRICES_USD.get(country, settings.SMS_MAX_PRICE_USD)
    return (each * parts).quantize(Decimal(1).scaleb(-PLACES), ROUND_UP)


def this_month() -> date:
    """Return the first day of the present month, in UTC."""
    return timezone.now().astimezone(UTC).date().replace(day=1)


def reserve(delivery: Delivery, cost: Decimal) -> bool:
    """Reserve so many US dollars of this month for the delivery's present attempt.

    Return False if this worker has lost the delivery; raise BudgetExhausted if there is no room.
    SMS_URGENT_RESERVE, a share of the limit, is kept for urgent deliveries.
    """
    month = this_month()
    holder = _holders([delivery.pk], delivery.attempts)
    is_urgent = delivery.priority == Priority.URGENT
    reserve_usd = Decimal(0) if is_urgent else _reserve_usd()
    try:
        with transaction.atomic():
            if not holder.update(cost_usd=cost, cost_month=month, parts=delivery.parts):
                return False
            if not _commit(month, cost, reserve_usd):
                raise BudgetExhausted(_refusal(month, cost), code=Reason.BUDGET)
    except BudgetExhausted:
        _note_refusal(month, cost)
        raise
    delivery.cost_usd, delivery.cost_month = cost, month
    return True


def reserve_all(costs: Sequence[tuple[Delivery, Decimal]]) -> bool:
    """Reserve money for all of these deliveries. Return False, and reserve none, if one is refused.

    `reserve` then tells which.
    """
    month = this_month()
    reserve_usd = Decimal(0)
    if any(row.priority != Priority.URGENT for row, _ in costs):
        reserve_usd = _reserve_usd()
    same: dict[tuple[Decimal, int, int | None], list[UUID]] = {}
    for row, cost in costs:
        same.setdefault((cost, row.attempts, row.parts), []).append(row.pk)
    with transaction.atomic():
        held = sum(
            _holders(ids, attempts).update(cost_usd=cost, cost_month=month, parts=parts)
            for (cost, attempts, parts), ids in same.items()
        )
        total = sum((cost for _, cost in costs), Decimal(0))
        if held < len(costs) or not _commit(month, total, reserve_usd):
            transaction.set_rollback(True)
            return False
    for row, cost in costs:
        row.cost_usd, row.cost_month = cost, month
    return True


def release(delivery: Delivery) -> None:
    """Give back what the attempt reserved, once, in the transaction that records its outcome.

    Only for an outcome of which it is certain that the provider does not have the message.
    """
    if delivery.cost_usd is None or delivery.cost_month is None:
        return
    released = Delivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, cost_usd__isnull=False
    ).update(cost_usd=None, cost_month=None)
    if released:
        SMSSpend.objects.filter(month=delivery.cost_month).update(
            committed_usd=_sum(-delivery.cost_usd)
        )


def settle(delivery: Delivery, price: Decimal) -> None:
    """Replace the present attempt's reservation by its price in US dollars.

    Call it in the transaction that holds the delivery's row locked. The month's limit does not
    apply: the money is spent.
    """
    if delivery.cost_usd is None or delivery.cost_month is None:
        return
    Delivery.objects.filter(pk=delivery.pk).update(cost_usd=price)
    SMSSpend.objects.filter(month=delivery.cost_month).update(
        committed_usd=_sum(price - delivery.cost_usd)
    )


def add(price: Decimal) -> None:
    """Add US dollars that were spent without a delivery, as for an alarm's text, to the month."""
    row, _ = SMSSpend.objects.get_or_create(month=this_month())
    SMSSpend.objects.filter(pk=row.pk).update(committed_usd=_sum(price))


def _holders(ids: Collection[UUID], attempts: int) -> QuerySet[Delivery]:
    """Return the deliveries of which a worker still has the attempt of this number."""
    rows = Delivery.objects.filter(pk__in=ids, attempts=attempts, state=DeliveryState.SENDING)
    return rows.filter(lease_until__gt=Now())


def _reserve_usd() -> Decimal:
    return settings.SMS_MONTHLY_SPEND_LIMIT_USD * settings.SMS_URGENT_RESERVE


def _room(month: date, cost: Decimal, reserve_usd: Decimal = Decimal(0)) -> QuerySet[SMSSpend]:
    limit = settings.SMS_MONTHLY_SPEND_LIMIT_USD - reserve_usd
    return SMSSpend.objects.filter(month=month, committed_usd__lte=limit - cost)


def _refusal(month: date, cost: Decimal) -> str:
    if _room(month, cost).exists():
        return "the rest of the month's text message budget is for urgent messages"
    return "the month's text message budget is spent"


def _note_refusal(month: date, cost: Decimal) -> None:
    """Note the first message without room. The reserve is no end of the budget."""
    if not _room(month, cost).exists():
        SMSSpend.objects.filter(month=month, refused_at=None).update(refused_at=Now())


def _commit(month: date, cost: Decimal, reserve_usd: Decimal) -> bool:
    room = _room(month, cost, reserve_usd)
    if room.update(committed_usd=_sum(cost)):
        return True
    # No room, or the first message of its month.
    SMSSpend.objects.get_or_create(month=month)
    return bool(room.update(committed_usd=_sum(cost)))


def _sum(amount: Decimal) -> Round:
    # SQLite adds binary fractions: rounding keeps their errors from adding up.
    return Round(F("committed_usd") + amount, precision=PLACES)


def country(number: str) -> str:
    """Return the ISO 3166 code of an E.164 number's country, or "" if it has none."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    # A new area code is in no country yet: take the main country of its calling code.
    main = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    return phonenumbers.region_code_for_number(parsed) or main
