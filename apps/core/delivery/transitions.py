"""How an attempt's outcome is written down: the delivery's row and a line of its log, as one.

Every move names the attempt it speaks of. A worker that comes too late, when the delivery has
been claimed again, leaves a line in the log and moves nothing; only that the provider took the
message counts even then.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.core import conf
from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    ThrottledError,
    TransientError,
)
from apps.core.guards import sms_budget
from apps.core.message import routing
from apps.core.models import Delivery, NotificationDeliveryLog
from apps.core.providers.base import Receipt
from apps.core.redaction import storable
from apps.core.states import OPEN, RESENDABLE, Channel, DeliveryState, LogEvent, Priority

from . import retry

#: Failures before a delivery is given up, however late it is.
FEWEST_TRIES = 3
#: How often the policy sends one delivery of unknown outcome again.
MOST_RESENDS = 3
#: What the policy says of its doing in the log, and what a later end must not hide.
BY_POLICY = "no word from the provider; it may arrive twice"
MAY_HAVE_ARRIVED = " (an earlier attempt may have arrived)"
#: Of a worker that was lost: whether the provider may have the message.
AFTER_CALL, BEFORE_CALL = "after the call had begun", "before the call"


def accepted(delivery: Delivery, receipt: Receipt) -> None:
    """The provider took it."""
    # A reply that the columns cannot hold must not undo what the provider did.
    ids = {
        "provider": receipt.provider[:32],
        "provider_message_id": storable(receipt.message_id, 128),
    }
    row = ids | {"reason": ""}
    with transaction.atomic():
        if not _finish(delivery, DeliveryState.ACCEPTED, LogEvent.ACCEPTED, row=row, line=ids):
            # Good news counts whenever it comes, as that of a report does: whoever has claimed it
            # since then need not call, if they have not yet.
            later = Delivery.objects.filter(pk=delivery.pk, attempts__gt=delivery.attempts)
            later.filter(state__in=OPEN).move(DeliveryState.ACCEPTED, **_ended(row))


def refused(delivery: Delivery, error: DeliveryError) -> Delivery | None:
    """The provider will never take it; returns the delivery that stands in for it, if one does."""
    return _stop(delivery, DeliveryState.REJECTED, LogEvent.PERMANENT, error)


def skipped(delivery: Delivery, error: DeliveryError) -> Delivery | None:
    """We will not send it; returns the delivery that stands in for it, if one does."""
    return _stop(delivery, DeliveryState.SKIPPED, LogEvent.SKIPPED, error)


def postponed(delivery: Delivery, error: TransientError) -> Delivery | None:
    """The provider did not take it: try again later, or stop where the horizon is over.

    Returns the delivery that stands in for a stopped one, if one does.
    """
    if isinstance(error, ChannelUnavailableError):
        # The channel is stopped: the delivery is due, and held until it runs again. It is not to
        # pay for that with an attempt.
        _wait(delivery, timezone.now(), LogEvent.TRANSIENT, _words(error), failed=0)
        return None
    at = _next_attempt_at(delivery, error)
    if at is None:
        return _stop(delivery, DeliveryState.EXHAUSTED, LogEvent.TRANSIENT, error)
    in_time = timezone.now() < _gives_up_at(delivery)
    # Being told to slow down says nothing about the message: it costs no attempt, in its time.
    failed = 0 if isinstance(error, ThrottledError) and in_time else 1
    _wait(delivery, at, LogEvent.TRANSIENT, _words(error), failed=failed)
    return None


def held_too_long(delivery: Delivery, reason: str) -> Delivery | None:
    """Its channel is stopped, and another can carry it; returns the delivery that stands in."""
    with transaction.atomic():
        return stand_in(delivery) if withdrawn(delivery, reason) else None


def withdrawn(delivery: Delivery, reason: str) -> bool:
    """It is not to be sent any more; False where it is no longer due: a worker has it, or had."""
    with transaction.atomic():
        moved = _this(delivery, state=DeliveryState.DUE).move(
            DeliveryState.SKIPPED, finished_at=Now(), next_attempt_at=None, reason=reason
        )
        if moved:
            log(delivery, LogEvent.SKIPPED, detail=reason)
    return bool(moved)


def given_back(delivery: Delivery) -> None:
    """Its turn did not come: it is due again as if nobody had taken it."""
    with transaction.atomic():
        moved = _this(delivery, state=DeliveryState.SENDING).move(
            DeliveryState.DUE, next_attempt_at=Now(), enqueued_at=None, lease_until=None
        )
        if moved:
            sms_budget.release(delivery)


def unknown(delivery: Delivery, error: AmbiguousError) -> None:
    """Nobody knows whether the provider took it: wait, and let the policy decide."""
    _set_unknown(delivery, LogEvent.AMBIGUOUS, _words(error))


def abandoned(delivery: Delivery, *, called: bool) -> Delivery | None:
    """The worker's lease ran out. Had it called the provider, nobody knows; else it is due again.

    Returns the delivery that stands in for a stopped one, if one does.
    """
    if called:
        _set_unknown(delivery, LogEvent.LEASE_EXPIRED, {"detail": AFTER_CALL})
        return None
    at = _next_attempt_at(delivery, None)
    if at is None:
        error = TransientError("its workers were lost before they called the provider")
        return _stop(delivery, DeliveryState.EXHAUSTED, LogEvent.LEASE_EXPIRED, error)
    _wait(delivery, at, LogEvent.LEASE_EXPIRED, {"detail": BEFORE_CALL}, failed=1)
    return None


def settled_by_policy(delivery: Delivery) -> Delivery | None:
    """The deadline of an unknown delivery has passed: send it again, or leave it for a person.

    It is not sent again for ever: a provider that takes each message and never says so would
    repeat it as often. Returns the delivery that stands in for one that is left, if one does.
    """
    resend = _may_resend(delivery)
    # One that another sweep has left for a person is unknown still, and has no deadline any more.
    this = _this(delivery, state=DeliveryState.UNKNOWN, next_attempt_at__isnull=False)
    with transaction.atomic():
        if resend:
            moved = this.move(DeliveryState.DUE, next_attempt_at=Now(), enqueued_at=None)
        else:
            moved = this.update(next_attempt_at=None)
        if not moved:
            return None
        if resend:
            log(delivery, LogEvent.RESEND, detail=BY_POLICY)
            return None
        log(delivery, LogEvent.LEFT, detail="no word from the provider")
        return stand_in(delivery)


def sent_again(delivery: Delivery, by: str) -> bool:
    """A person has it sent again, from now and with a horizon of its own; False where it moved."""
    with transaction.atomic():
        moved = _this(delivery, state__in=RESENDABLE).move(
            DeliveryState.DUE,
            due_at=Now(),
            next_attempt_at=Now(),
            enqueued_at=None,
            finished_at=None,
            failures=0,
            reason="",
        )
        if moved:
            log(delivery, LogEvent.RESEND, detail=f"by {by}")
    return bool(moved)


def found_arrived(delivery: Delivery, by: str) -> bool:
    """A person knows that an unknown delivery arrived; False where it is unknown no more."""
    with transaction.atomic():
        moved = _this(delivery, state=DeliveryState.UNKNOWN).move(
            DeliveryState.ACCEPTED, finished_at=Now(), next_attempt_at=None
        )
        if moved:
            log(delivery, LogEvent.ACCEPTED, detail=f"by the word of {by}")
    return bool(moved)


def stand_in(delivery: Delivery) -> Delivery | None:
    """Where this was the only way out of the house, open another; returns that delivery."""
    channel = routing.fallback(Priority(delivery.priority))
    if channel is None or delivery.channel == channel:
        return None
    instead, created = Delivery.objects.get_or_create(
        notification_id=delivery.notification_id,
        channel=channel,
        defaults={"priority": delivery.priority, "enqueued_at": Now()},
    )
    if not created:
        return None
    log(delivery, LogEvent.FALLBACK, detail=f"to {channel.label.lower()}")
    return instead


def log(delivery: Delivery, event: LogEvent, **values: Any) -> None:
    """Add a line to the delivery's story."""
    NotificationDeliveryLog.objects.create(
        delivery=delivery, attempt=delivery.attempts, event=event, **values
    )


def _was_unknown(delivery: Delivery) -> bool:
    """Whether the provider may have the message from an attempt before this one."""
    if delivery.attempts < 2:
        return False
    earlier = delivery.log.filter(attempt__lt=delivery.attempts)
    lost = Q(event=LogEvent.LEASE_EXPIRED, detail=AFTER_CALL)
    return earlier.filter(Q(event=LogEvent.AMBIGUOUS) | lost).exists()


def _may_resend(delivery: Delivery) -> bool:
    channel, priority = Channel(delivery.channel), Priority(delivery.priority)
    in_time = timezone.now() < _gives_up_at(delivery)
    by_policy = delivery.log.filter(event=LogEvent.RESEND, detail=BY_POLICY)
    return conf.resends_unknown(channel, priority) and in_time and by_policy.count() < MOST_RESENDS


def _this(delivery: Delivery, **where: Any) -> Any:
    return Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, **where)


def _finish(
    delivery: Delivery,
    state: DeliveryState,
    event: LogEvent,
    *,
    row: dict[str, Any],
    line: dict[str, Any],
) -> bool:
    with transaction.atomic():
        # Not what the provider's report has settled meanwhile, which says more than its answer.
        moved = _this(delivery, state__in=OPEN).move(state, **_ended(row))
        log(delivery, event, **line)
    return bool(moved)


def _ended(row: dict[str, Any]) -> dict[str, Any]:
    return {"finished_at": Now(), "next_attempt_at": None, "lease_until": None, **row}


def _stop(
    delivery: Delivery, state: DeliveryState, event: LogEvent, error: DeliveryError
) -> Delivery | None:
    words = _words(error)
    with transaction.atomic():
        reason = words["detail"][:250] + (MAY_HAVE_ARRIVED if _was_unknown(delivery) else "")
        if not _finish(delivery, state, event, row={"reason": reason}, line=words):
            return None
        instead = stand_in(delivery)
        sms_budget.release(delivery)
    return instead


def _wait(
    delivery: Delivery, at: datetime, event: LogEvent, line: dict[str, str], *, failed: int
) -> None:
    quick = at - timezone.now() <= retry.QUICK
    # A refusal that comes late ends the doubt, and nothing that was decided meanwhile.
    open_ones = (DeliveryState.SENDING, DeliveryState.UNKNOWN)
    with transaction.atomic():
        moved = _this(delivery, state__in=open_ones).move(
            DeliveryState.DUE if quick else DeliveryState.RETRYING,
            failures=F("failures") + failed,
            next_attempt_at=at,
            enqueued_at=None,
            lease_until=None,
            reason=line["detail"][:300],
        )
        log(delivery, event, **line)
        if moved:
            sms_budget.release(delivery)


def _set_unknown(delivery: Delivery, event: LogEvent, line: dict[str, str]) -> None:
    with transaction.atomic():
        _this(delivery).move(
            DeliveryState.UNKNOWN,
            next_attempt_at=Now() + _deadline(delivery),
            lease_until=None,
        )
        log(delivery, event, **line)


def _deadline(delivery: Delivery) -> timedelta:
    return conf.unknown_deadline(Channel(delivery.channel), Priority(delivery.priority))


def _next_attempt_at(delivery: Delivery, error: DeliveryError | None) -> datetime | None:
    """None where its horizon is over, and it has had its tries."""
    at = retry.next_attempt_at(
        delivery.failures + 1, error, timezone.now(), give_up_at=_gives_up_at(delivery)
    )
    if at is None and delivery.failures < FEWEST_TRIES:
        # Its whole horizon may have passed before anybody could try.
        return timezone.now() + retry.FIRST_DELAY
    return at


def _gives_up_at(delivery: Delivery) -> datetime:
    return delivery.due_at + conf.retry_horizon(Priority(delivery.priority))


def _words(error: DeliveryError) -> dict[str, str]:
    return {"code": storable(error.code, 64), "detail": storable(error.detail, 500)}
