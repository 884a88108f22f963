"""Hold deliveries for their recipients' settings, and release them. One mechanism for all holds.

A held row says what it waits for, and until when. At the end it is sent singly, or folded into one
message with others (`folding`). Nothing is dropped because of a setting.
"""

import logging
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.message import decide, kinds, people
from apps.core.message.decide import Decision
from apps.core.models import Delivery, Notification
from apps.core.reasons import FOLDED_HOLDS, STALE_REASONS, Reason, Verdict
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource, Priority

from . import stand_ins, transitions, wakeups

logger = logging.getLogger(__name__)

#: Seconds between two runs of `release_due`, by beat's table.
RELEASE_EVERY_S = 30.0
#: The columns of a delivery that is due again.
DUE_NOW: dict[str, Any] = {
    "due_at": Now(),
    "next_attempt_at": Now(),
    "lease_until": None,
    "finished_at": None,
}
#: Holds for which a delivery waits only once.
ONCE = frozenset({Reason.DIGEST, Reason.CAP, Reason.BUNDLE})


def release_due() -> int:
    """Release what was held for hours that are over, to be sent singly; return how many.

    At most as many as can be sent until the next run, most urgent first: what is released at one
    moment for thousands of people must not delay what comes next.
    """
    released = 0
    for channel, pace in paces().items():
        with transaction.atomic():
            over = Delivery.objects.held().filter(channel=channel, release_at__lte=Now())
            singly = over.exclude(held_for__in=FOLDED_HOLDS, digest=None)
            first = singly.order_by("priority", "release_at")[: max(1, int(pace * RELEASE_EVERY_S))]
            # Skipped if locked: its settings are being changed, or another run has it.
            rows = list(first.select_for_update(of=("self",), skip_locked=True))
            released += release(rows, LogSource.SWEEP)
    if released:
        wakeups.wake_dispatch()
    return released


def paces() -> dict[Channel, float]:
    """Return how many messages a second each channel takes."""
    return {Channel.EMAIL: settings.EMAIL_RATE_LIMIT, Channel.SMS: settings.SMS_RATE_LIMIT}


def release(rows: Sequence[Delivery], source: LogSource, **columns: Any) -> int:
    """Make held rows, locked by the caller, due; return how many."""
    held = Delivery.objects.held().filter(pk__in=[row.pk for row in rows])
    moved = held.move(DeliveryState.DUE, **DUE_NOW, **columns)
    transitions.log(rows, LogEvent.RELEASED, source)
    return moved


def waiting(user_id: Any) -> list[Delivery]:
    """Return what is held for this person, with its notifications, the next to be sent first."""
    return list(_held_for(user_id).select_related("notification").order_by("release_at", "pk"))


def locked(user_id: Any) -> list[Delivery]:
    """Return what is held for this person, locked, with its notifications."""
    theirs = _held_for(user_id).select_related("notification")
    return list(theirs.select_for_update(of=("self",)))


def recompute(user_id: Any) -> int:
    """Decide again about all that is held for a person whose settings changed.

    Call it in the transaction of the change. Return how many deliveries changed.
    """
    rows = locked(user_id)
    if not rows:
        return 0
    person = people.load([user_id])[user_id]
    changed = 0
    for row in rows:
        if row.held_for in ONCE - {Reason.DIGEST}:
            # It ends by itself within the hour, and the check after the claim asks for the rest.
            continue
        if row.notification.kind not in kinds.REGISTRY:
            # Its kind is of an earlier version of the code. Its attempt fails; the change must not.
            continue
        decision = decided(row, person)
        if decision.verdict == Verdict.SEND:
            release([row], LogSource.PERSON, **_reasons(decision))
        elif (decision.verdict, decision.held_for, decision.until) != (
            Verdict.HOLD,
            row.held_for,
            row.release_at,
        ):
            _change(row, decision)
        else:
            continue
        changed += 1
    if changed:
        transaction.on_commit(wakeups.wake_dispatch, robust=True)
    return changed


def decided(
    row: Delivery, person: people.Person, notification: Notification | None = None
) -> Decision:
    """Decide about a delivery as of now, or of the time for which it is scheduled.

    `notification` is one that it carries, by default its own.
    """
    notification = notification or row.notification
    return decide.on_channel(
        kinds.get(notification.kind),
        person,
        Channel(row.channel),
        max(timezone.now(), notification.visible_from),
        priority=Priority(notification.priority),
        served=served_by(row),
    )


def served_by(row: Delivery) -> frozenset[Reason]:
    """Return the holds that are over for this delivery."""
    if row.digest_id is not None:
        # It carries others, which must not wait again because of it.
        return ONCE
    if row.state == DeliveryState.HELD or not row.held_for:
        return frozenset()
    return ONCE & {Reason(row.held_for)}


def hold(row: Delivery, decision: Decision) -> bool:
    """Hold a delivery that this worker has claimed; return False if another one has it."""
    assert decision.held_for
    mine = Delivery.objects.filter(pk=row.pk, attempts=row.attempts, state=DeliveryState.SENDING)
    with transaction.atomic():
        moved = mine.move(
            DeliveryState.HELD,
            **decision.columns(),
            next_attempt_at=None,
            lease_until=None,
        )
        if moved:
            transitions.log([row], LogEvent.HELD, LogSource.WORKER, code=decision.held_for)
    return bool(moved)


def _held_for(user_id: Any) -> Any:
    # A subquery, not a join: PostgreSQL judges the conditions on the row again if it had to wait.
    theirs = Notification.objects.filter(recipient=user_id).values("pk")
    return Delivery.objects.held().filter(notification_id__in=theirs).order_by("pk")


def _change(row: Delivery, decision: Decision) -> None:
    if decision.verdict == Verdict.SKIP:
        skip(row, decision, LogSource.PERSON)
        return
    assert decision.held_for
    this = Delivery.objects.held().filter(pk=row.pk)
    this.update(**decision.columns(), due_at=decision.until)
    transitions.log([row], LogEvent.HELD, LogSource.PERSON, code=decision.held_for)


def skip(row: Delivery, decision: Decision, source: LogSource) -> None:
    """Skip a held row, locked by the caller. If it was the only way, another channel stands in."""
    Delivery.objects.held().filter(pk=row.pk).move(
        DeliveryState.SKIPPED,
        **_reasons(decision),
        reason=str(decision.reason.label),
        finished_at=Now(),
        next_attempt_at=None,
    )
    transitions.log([row], LogEvent.SKIPPED, source, code=decision.reason)
    if decision.reason not in STALE_REASONS:
        stand_ins.open_stand_in(row, source=source)


def _reasons(decision: Decision) -> dict[str, Any]:
    """Return the columns of the decision without those of a hold, which tell what is over."""
    columns = decision.columns()
    return {name: columns[name] for name in ("decision", "decided_by_id", "decided_at")}
