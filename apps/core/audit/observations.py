"""Look at what takes longer than a page may, and store the results as readings."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

from django.db.models import Count
from django.utils import timezone

from apps.core.guards import reputation
from apps.core.models import Delivery, NotificationDeliveryLog
from apps.core.reasons import Reason
from apps.core.states import DeliveryState, LogEvent

from . import answers, ledger, readings
from .findings import Finding, fail, ok

DAY = timedelta(days=1)
#: Reasons that the cockpit names.
TOP = 10


def read_reputation() -> None:
    """Judge the reputation, hold e-mail back or let it go on, and store the shares."""
    found = reputation.watch()
    readings.store(
        readings.REPUTATION,
        sent=found.sent,
        bounced=found.bounced,
        complained=found.complained,
    )


def read_reasons() -> None:
    """Store the most frequent reasons of a day for which deliveries failed or were skipped."""
    counts: Counter[tuple[str, str, str]] = Counter()
    found = chain(_ours(), _theirs(LogEvent.PERMANENT), _theirs(LogEvent.BOUNCED))
    for channel, words, code, count in found:
        counts[channel, words, code] += count
    reasons = [
        {"channel": channel, "words": words, "code": code, "count": count}
        for (channel, words, code), count in counts.most_common(TOP)
    ]
    readings.store(readings.REASONS, reasons=reasons)


def check_ledger() -> None:
    """Check the records of the last day, and store whether they balance."""
    readings.store(readings.LEDGER, _balance(ledger.ledger(timezone.now() - DAY)))


def _ours() -> Iterator[tuple[str, str, str, int]]:
    """Yield channel, reason, "" and count of what we did not send, or gave up."""
    states = [DeliveryState.SKIPPED, DeliveryState.EXHAUSTED]
    rows = Delivery.objects.filter(state__in=states, created_at__gt=timezone.now() - DAY)
    for channel, state, decision, count in (
        rows.order_by().values_list("channel", "state", "decision").annotate(Count("pk"))
    ):
        words = str(DeliveryState(state).label)
        if state == DeliveryState.SKIPPED and decision in Reason.values:
            words = f"{words}: {Reason(decision).label}"
        yield channel, words, "", count


def _theirs(event: LogEvent) -> Iterator[tuple[str, str, str, int]]:
    """Yield channel, reason, code and count of what the provider refused or did not deliver."""
    entries = NotificationDeliveryLog.objects.filter(event=event, at__gt=timezone.now() - DAY)
    by_answer = entries.order_by().values_list("delivery__channel", "code", "detail")
    for channel, code, detail, count in by_answer.annotate(Count("pk")):
        meaning = answers.plain(f"{code} {detail}")
        yield channel, f"{event.label}: {meaning}" if meaning else str(event.label), code, count


def _balance(found: ledger.Ledger) -> Finding:
    if found.balances:
        return ok(f"{found.deliveries:,} deliveries of the last day are explained.")
    first = found.discrepancies[0]
    return fail(
        f"{len(found.discrepancies):,} rows cannot be explained; the first: {first.row} "
        f"{first.problem}.",
        "Run `manage.py ledger --since 24h`.",
    )
