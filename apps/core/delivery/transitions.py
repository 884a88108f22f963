"""Every move of a delivery: its row, the log entry that says why, and its money, as one.

A move names its attempt. A worker that comes too late, after another attempt has
begun, leaves a log entry and moves nothing; only its acceptance counts even then.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Case, F, OuterRef, Subquery, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from apps.core import conf
from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    NotCalled,
    NotSendable,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.guards import sms_budget
from apps.core.message import routing
from apps.core.models import Delivery, NotificationDeliveryLog
from apps.core.models.inserts import insert
from apps.core.providers.base import Acceptance
from apps.core.reasons import STALE_REASONS, Reason
from apps.core.redaction import storable
from apps.core.states import (
    OPEN,
    RESENDABLE,
    UNKNOWN_EVENTS,
    Channel,
    DeliveryState,
    LogEvent,
    LogSource,
    Priority,
)

from . import retry

#: A delivery gets at least so many tries, however late the first one was.
MIN_TRIES = 3
#: The policy resends one delivery of unknown outcome at most so often.
MAX_RESENDS = 3

Outcome = Acceptance | DeliveryError | NotCalled


def record(
    delivery: Delivery,
    event: LogEvent,
    *,
    to: DeliveryState | None = None,
    source: LogSource = LogSource.WORKER,
    attempt: int | None = None,
    only_from: Collection[DeliveryState] | None = None,
    row: dict[str, Any] | None = None,
    entry: dict[str, Any] | None = None,
    is_logged_if_late: bool = True,
    is_refunded: bool = False,
    price_usd: Decimal | None = None,
) -> bool:
    """Move the delivery to a state, write the log entry, and settle the money, in one transaction.

    `to` None only logs. `attempt` is the attempt that the entry speaks of, by default the present
    one; `only_from` narrows the states that the move may start from; `row` and `entry` are further
    columns. `is_refunded` gives the reservation back if the row moved; `price_usd` replaces it.
    Return whether the row moved.
    """
    with transaction.atomic():
        moved = to is not None and _move(delivery, to, only_from, row or {})
        if to is None or moved or is_logged_if_late:
            number = delivery.attempts if attempt is None else attempt
            NotificationDeliveryLog.objects.create(
                delivery=delivery, attempt=number, event=event, source=source, **(entry or {})
            )
        if price_usd is not None:
            sms_budget.settle(delivery, price_usd)
        elif moved and is_refunded:
            sms_budget.release(delivery)
    return moved


def _move(
    delivery: Delivery,
    to: DeliveryState,
    only_from: Collection[DeliveryState] | None,
    row: dict[str, Any],
) -> bool:
    this = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts)
    if only_from is not None:
        this = this.filter(state__in=only_from)
    return bool(this.move(to, **row))


def record_calls(
    announced: Sequence[Delivery], provider: str, accepted: Sequence[tuple[Delivery, Acceptance]]
) -> None:
    """Announce calls, and write that others were accepted, in one transaction.

    Once an announcement is committed, a lost worker leaves that outcome unknown.
    """
    entries = [
        _entry(row, LogEvent.ACCEPTED, its.provider, its.message_id) for row, its in accepted
    ]
    entries += [_entry(row, LogEvent.CALLING, provider) for row in announced]
    with transaction.atomic(savepoint=False):
        insert(entries)
        for number, rows in _by_attempt(row for row, _ in accepted):
            _move_accepted(number, rows)


def _entry(
    delivery: Delivery, event: LogEvent, provider: str, message_id: str = ""
) -> NotificationDeliveryLog:
    return NotificationDeliveryLog(
        delivery=delivery,
        attempt=delivery.attempts,
        event=event,
        # A reply that the columns cannot hold must not undo what the provider did.
        provider=provider[:32],
        provider_message_id=storable(message_id, 128),
    )


def _move_accepted(number: int, deliveries: list[Delivery]) -> None:
    """Move deliveries whose attempt of this number was accepted. The log has the provider's ids."""
    logged = NotificationDeliveryLog.objects.filter(
        delivery=OuterRef("pk"), attempt=number, event=LogEvent.ACCEPTED
    ).order_by("-id")
    values = _ended(
        {
            "provider": Subquery(logged.values("provider")[:1]),
            "provider_message_id": Subquery(logged.values("provider_message_id")[:1]),
            "reason": "",
        }
    )
    rows = Delivery.objects.filter(pk__in=[row.pk for row in deliveries], state__in=OPEN)
    # An event that came first has settled the row, and says more than the answer.
    if rows.filter(attempts=number).move(DeliveryState.ACCEPTED, **values) < len(deliveries):
        # A later attempt that has not called yet need not call.
        rows.filter(attempts__gt=number).move(DeliveryState.ACCEPTED, **values)


def give_back(deliveries: Sequence[Delivery]) -> None:
    """Make claimed deliveries due again, as if no worker had claimed them."""
    reason = NotCalled("given back", is_announced=False)
    for row in deliveries:
        if row.cost_usd is not None:
            _give_back(row, reason)
    for number, rows in _by_attempt(row for row in deliveries if row.cost_usd is None):
        held = Delivery.objects.filter(pk__in=[row.pk for row in rows], attempts=number)
        given = _due_again(rows)
        held.filter(state=DeliveryState.SENDING).move(DeliveryState.DUE, **given)


def _due_again(claimed: Iterable[Delivery]) -> dict[str, Any]:
    """Return the columns of deliveries that a worker gives back: due since they were due before.

    Due from now, they would go behind a whole backlog.
    """
    since = [
        When(pk=row.pk, then=Value(row.next_attempt_at)) for row in claimed if row.next_attempt_at
    ]
    return {"next_attempt_at": Case(*since, default=Now()), "lease_until": None}


def _by_attempt(deliveries: Iterable[Delivery]) -> Iterator[tuple[int, list[Delivery]]]:
    """Group the deliveries by the number of their present attempt."""
    groups: dict[int, list[Delivery]] = {}
    for row in deliveries:
        groups.setdefault(row.attempts, []).append(row)
    yield from groups.items()


def record_outcome(delivery: Delivery, outcome: Outcome) -> Delivery | None:
    """Write down how the present attempt ended; return the delivery that stands in, if one does."""
    match outcome:
        case Acceptance():
            record_calls([], "", [(delivery, outcome)])
        case NotCalled():
            _give_back(delivery, outcome)
        case AmbiguousError():
            _record_unknown(delivery, LogEvent.AMBIGUOUS, LogSource.WORKER, _words(outcome))
        case NotSendable():
            return _end(delivery, DeliveryState.SKIPPED, LogEvent.SKIPPED, outcome)
        case PermanentError():
            return _end(delivery, DeliveryState.REJECTED, LogEvent.PERMANENT, outcome)
        case ChannelUnavailableError():
            # The channel is stopped and its deliveries wait; that costs this one no try.
            _wait(delivery, timezone.now(), LogEvent.TRANSIENT, _words(outcome), failed=0)
        case TransientError():
            return _postpone(delivery, outcome)
        case _:
            raise outcome
    return None


def _give_back(delivery: Delivery, reason: NotCalled) -> None:
    """Make the delivery due again, as if no worker had claimed it: its provider was not called."""
    # The sweep may have found the lease expired, and the outcome unknown. It is known.
    only_from = (DeliveryState.SENDING, DeliveryState.UNKNOWN)
    with transaction.atomic():
        if reason.is_announced:
            entry = {"detail": str(reason)}
            record(
                delivery,
                LogEvent.NOT_CALLED,
                to=DeliveryState.DUE,
                only_from=only_from,
                row=_due_again([delivery]),
                entry=entry,
            )
        else:
            _move(delivery, DeliveryState.DUE, only_from[:1], _due_again([delivery]))
        sms_budget.release(delivery)


def _postpone(delivery: Delivery, error: TransientError) -> Delivery | None:
    at = _next_attempt_at(delivery, error)
    if at is None:
        return _end(delivery, DeliveryState.EXHAUSTED, LogEvent.TRANSIENT, error)
    in_time = timezone.now() < _gives_up_at(delivery)
    # Throttling says nothing about the message: within the retry horizon it costs no try.
    failed = 0 if isinstance(error, ThrottledError) and in_time else 1
    _wait(delivery, at, LogEvent.TRANSIENT, _words(error), failed=failed)
    return None


def record_lost_worker(delivery: Delivery, *, called: bool) -> Delivery | None:
    """Take the delivery from a worker whose lease ran out.

    If the worker had announced its call, the outcome is unknown; else the delivery is tried again.
    Return the delivery that stands in if this one has had its tries.
    """
    if called:
        _record_unknown(delivery, LogEvent.LOST_AFTER_CALL, LogSource.SWEEP, {})
        return None
    at = _next_attempt_at(delivery, None)
    if at is None:
        error = TransientError("its workers were lost before they called the provider")
        return _end(
            delivery,
            DeliveryState.EXHAUSTED,
            LogEvent.LOST_BEFORE_CALL,
            error,
            source=LogSource.SWEEP,
        )
    _wait(delivery, at, LogEvent.LOST_BEFORE_CALL, {}, failed=1, source=LogSource.SWEEP)
    return None


def settle_unknown(delivery: Delivery) -> Delivery | None:
    """Apply the policy to an unknown delivery whose deadline has passed: resend, or leave it.

    A resend is bounded: a provider that accepts each message and never says so would repeat it for
    ever. Return the delivery that stands in for one that is left.
    """
    # Another sweep may have left it for a person: still unknown, without a deadline.
    this = Delivery.objects.filter(
        pk=delivery.pk,
        attempts=delivery.attempts,
        state=DeliveryState.UNKNOWN,
        next_attempt_at__isnull=False,
    )
    with transaction.atomic():
        if not this.update(next_attempt_at=None):
            return None
        if _may_resend(delivery):
            record(
                delivery,
                LogEvent.RESEND,
                to=DeliveryState.DUE,
                source=LogSource.SWEEP,
                row={"next_attempt_at": Now()},
            )
            return None
        record(delivery, LogEvent.LEFT, source=LogSource.SWEEP)
        return open_stand_in(delivery, source=LogSource.SWEEP)


def skip_due(delivery: Delivery, reason: str, decision: Reason) -> bool:
    """Skip a due delivery. Return False if it is no longer due: a worker has it, or had."""
    return record(
        delivery,
        LogEvent.SKIPPED,
        to=DeliveryState.SKIPPED,
        source=LogSource.SWEEP,
        only_from=(DeliveryState.DUE,),
        row={
            "finished_at": Now(),
            "next_attempt_at": None,
            "reason": reason,
            "decision": decision,
        },
        entry={"detail": reason},
        is_logged_if_late=False,
    )


def hand_over(delivery: Delivery, reason: str) -> Delivery | None:
    """Skip a due delivery of a stopped channel; return the one that stands in on another."""
    with transaction.atomic():
        if not skip_due(delivery, reason, Reason.CHANNEL_STOPPED):
            return None
        return open_stand_in(delivery, source=LogSource.SWEEP)


def resend(delivery: Delivery, by: str) -> bool:
    """Resend by a person's decision, with a new retry horizon. Return False if it has moved on."""
    return record(
        delivery,
        LogEvent.RESEND,
        to=DeliveryState.DUE,
        source=LogSource.PERSON,
        only_from=RESENDABLE,
        row={
            "due_at": Now(),
            "next_attempt_at": Now(),
            "finished_at": None,
            "failures": 0,
            "reason": "",
        },
        entry={"detail": f"by {by}"},
        is_logged_if_late=False,
    )


def confirm_arrival(delivery: Delivery, by: str) -> bool:
    """Accept an unknown delivery by a person's decision. Return False if it is not unknown now."""
    return record(
        delivery,
        LogEvent.ACCEPTED,
        to=DeliveryState.ACCEPTED,
        source=LogSource.PERSON,
        only_from=(DeliveryState.UNKNOWN,),
        row={"finished_at": Now(), "next_attempt_at": None},
        entry={"detail": f"by {by}"},
        is_logged_if_late=False,
    )


def open_stand_in(delivery: Delivery, *, source: LogSource = LogSource.WORKER) -> Delivery | None:
    """Open a delivery on the fallback channel if this one was the only way out; return it."""
    channel = routing.fallback(Priority(delivery.priority))
    if channel is None or delivery.channel == channel:
        return None
    instead, created = Delivery.objects.get_or_create(
        notification_id=delivery.notification_id,
        channel=channel,
        defaults={
            "priority": delivery.priority,
            # What it carried goes with it.
            "digest_id": delivery.digest_id,
        },
    )
    if not created:
        return None
    record(
        delivery, LogEvent.FALLBACK, source=source, entry={"detail": f"to {channel.label.lower()}"}
    )
    return instead


def may_have_arrived(delivery: Delivery) -> bool:
    """Return whether the provider may have the message from an attempt before the present one."""
    if delivery.attempts < 2:
        return False
    earlier = delivery.log.filter(attempt__lt=delivery.attempts, event__in=UNKNOWN_EVENTS)
    return earlier.exists()


def _may_resend(delivery: Delivery) -> bool:
    channel, priority = Channel(delivery.channel), Priority(delivery.priority)
    in_time = timezone.now() < _gives_up_at(delivery)
    by_policy = delivery.log.filter(event=LogEvent.RESEND, source=LogSource.SWEEP)
    return conf.resends_unknown(channel, priority) and in_time and by_policy.count() < MAX_RESENDS


def _end(
    delivery: Delivery,
    state: DeliveryState,
    event: LogEvent,
    error: DeliveryError,
    *,
    source: LogSource = LogSource.WORKER,
) -> Delivery | None:
    words = _words(error)
    row: dict[str, Any] = {"decision": words["code"]} if words["code"] in Reason.values else {}
    with transaction.atomic():
        reason = words["detail"][:250]
        if may_have_arrived(delivery):
            reason += " (an earlier attempt may have arrived)"
        if not record(
            delivery,
            event,
            to=state,
            source=source,
            only_from=OPEN,
            row=_ended(row | {"reason": reason}),
            entry=words,
            is_refunded=True,
        ):
            return None
        if words["code"] in STALE_REASONS:
            # Nothing stands in for what has become pointless.
            return None
        return open_stand_in(delivery, source=source)


def _ended(row: dict[str, Any]) -> dict[str, Any]:
    return {"finished_at": Now(), "next_attempt_at": None, "lease_until": None, **row}


def _wait(
    delivery: Delivery,
    at: datetime,
    event: LogEvent,
    entry: dict[str, str],
    *,
    failed: int,
    source: LogSource = LogSource.WORKER,
) -> None:
    is_quick = at - timezone.now() <= retry.QUICK
    record(
        delivery,
        event,
        to=DeliveryState.DUE if is_quick else DeliveryState.RETRYING,
        source=source,
        # A late refusal settles the unknown outcome, and undoes nothing that was decided meanwhile.
        only_from=(DeliveryState.SENDING, DeliveryState.UNKNOWN),
        row={
            "failures": F("failures") + failed,
            "next_attempt_at": at,
            "lease_until": None,
            "reason": entry.get("detail", event.label)[:300],
        },
        entry=entry,
        is_refunded=True,
    )


def _record_unknown(
    delivery: Delivery, event: LogEvent, source: LogSource, entry: dict[str, str]
) -> None:
    deadline = conf.unknown_deadline(Channel(delivery.channel), Priority(delivery.priority))
    record(
        delivery,
        event,
        to=DeliveryState.UNKNOWN,
        source=source,
        row={"next_attempt_at": Now() + deadline, "lease_until": None},
        entry=entry,
    )


def _next_attempt_at(delivery: Delivery, error: DeliveryError | None) -> datetime | None:
    """Return None if the retry horizon is over and the delivery has had its tries."""
    at = retry.next_attempt_at(
        delivery.failures + 1, error, timezone.now(), give_up_at=_gives_up_at(delivery)
    )
    if at is None and delivery.failures < MIN_TRIES:
        # An outage may have outlasted the whole horizon.
        return timezone.now() + retry.FIRST_DELAY
    return at


def _gives_up_at(delivery: Delivery) -> datetime:
    return delivery.due_at + conf.retry_horizon(Priority(delivery.priority))


def _words(error: DeliveryError) -> dict[str, str]:
    return {"code": storable(error.code, 64), "detail": storable(error.detail, 500)}
