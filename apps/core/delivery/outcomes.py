"""What follows from an attempt's outcome: accepted, tried again, ended, unknown or given back."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
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
from apps.core.models import Delivery
from apps.core.providers.base import Acceptance
from apps.core.reasons import STALE_REASONS, Reason
from apps.core.redaction import storable
from apps.core.states import (
    OPEN,
    UNKNOWN_EVENTS,
    Channel,
    DeliveryState,
    LogEvent,
    LogSource,
    Priority,
)

from . import giving_back, retry, transitions
from .stand_ins import open_stand_in

#: A delivery gets at least so many tries, however late the first one was.
MIN_TRIES = 3
#: The policy resends one delivery of unknown outcome at most so often.
MAX_RESENDS = 3

Outcome = Acceptance | DeliveryError | NotCalled


def record_outcome(delivery: Delivery, outcome: Outcome) -> Delivery | None:
    """Write down how the present attempt ended; return the delivery that stands in, if one does."""
    match outcome:
        case Acceptance():
            transitions.record_calls([], "", [(delivery, outcome)])
        case NotCalled():
            giving_back.give_back_one(delivery, outcome)
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
            transitions.record(
                delivery,
                LogEvent.RESEND,
                to=DeliveryState.DUE,
                source=LogSource.SWEEP,
                row={"next_attempt_at": Now()},
            )
            return None
        transitions.record(delivery, LogEvent.LEFT, source=LogSource.SWEEP)
        return open_stand_in(delivery, source=LogSource.SWEEP)


def _may_have_arrived(delivery: Delivery) -> bool:
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
        if _may_have_arrived(delivery):
            reason += " (an earlier attempt may have arrived)"
        if not transitions.record(
            delivery,
            event,
            to=state,
            source=source,
            only_from=OPEN,
            row=transitions.ended(row | {"reason": reason}),
            entry=words,
            is_refunded=True,
        ):
            return None
        if words["code"] in STALE_REASONS:
            # Nothing stands in for what has become pointless.
            return None
        return open_stand_in(delivery, source=source)


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
    transitions.record(
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
    transitions.record(
        delivery,
        event,
        to=DeliveryState.UNKNOWN,
        source=source,
        only_from=(DeliveryState.SENDING,),
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
