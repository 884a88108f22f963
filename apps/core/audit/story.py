"""The story of one message, in plain words: decisions, holds, attempts, answers, what follows.

The recipient, the office and `manage.py why` read the same story.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Subquery
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from apps.core.guards import circuit_breaker
from apps.core.message import routing, stored_words
from apps.core.models import Delivery, Notification, NotificationDeliveryLog, ProviderEvent
from apps.core.models.notification import NotificationQuerySet
from apps.core.reasons import OFF_REASONS, STALE_REASONS, Reason
from apps.core.states import (
    RESENDABLE,
    Channel,
    DeliveryState,
    EventKind,
    LogEvent,
    LogSource,
    Priority,
)

from . import answers
from .story_words import (
    BRIEF,
    DECIDERS,
    EVENTS,
    IT,
    PLANNED,
    PLANNED_FOR,
    RELEASES,
    SOURCES,
    STATES,
)

#: States in which a provider's answer says why.
_ANSWERED = {
    DeliveryState.REJECTED,
    DeliveryState.EXHAUSTED,
    DeliveryState.BOUNCED,
    DeliveryState.RETRYING,
}
#: States in which the message did not get through, and nothing more happens by itself.
ENDED = frozenset(
    {
        DeliveryState.BOUNCED,
        DeliveryState.REJECTED,
        DeliveryState.EXHAUSTED,
        DeliveryState.SKIPPED,
    }
)
#: Decisions after which the recipient misses nothing. A STOP or a complaint is told: the office can
#: settle it with the person.
_MEANT = {*STALE_REASONS, *OFF_REASONS} - {Reason.STOPPED, Reason.COMPLAINED}


@dataclass(frozen=True)
class StoryStep:
    at: datetime
    what: str
    #: Who brought it about, unless it was a worker.
    source: str
    #: A code and the words of a provider or worker: for the office, since they are not plain.
    code: str
    detail: str


@dataclass(frozen=True)
class Way:
    """The way of the message over one channel."""

    id: UUID
    #: The channel's code, and its name in the reader's language.
    code: str
    channel: str
    #: The state's name, for the page's colors.
    state: str
    sentence: str
    #: All of it in half a line.
    brief: str
    #: Why it went this way or did not, what decided that, and by whom and when.
    reason: str
    decider: str
    by: str
    decided_at: datetime | None
    #: What follows, and when; empty if nothing does.
    next: str
    next_at: datetime | None
    #: The number of the present attempt: what a person decides holds for this one.
    attempt: int
    may_resend: bool
    may_confirm: bool
    steps: list[StoryStep]

    #: It ended without reaching the person, although no choice of theirs or of the office says so.
    has_failed: bool

    @property
    def has_ended(self) -> bool:
        """Return whether it did not get through, and will not by itself."""
        return self.state in ENDED

    @property
    def next_words(self) -> str:
        return f"{self.next}: {clock(self.next_at)}" if self.next_at else self.next


def with_story(rows: NotificationQuerySet) -> NotificationQuerySet:
    """Read with each notification what `of` needs: two statements more, however many there are."""
    failed = ProviderEvent.objects.filter(
        delivery=OuterRef("pk"), kind__in=[EventKind.BOUNCED, EventKind.REJECTED]
    )
    itself = Delivery.objects.filter(pk=OuterRef("pk"))
    deliveries = Delivery.objects.annotate(
        cause=Subquery(failed.order_by("-occurred_at").values("cause")[:1]),
        is_running=Exists(circuit_breaker.running(itself)),
    )
    told = deliveries.select_related("decided_by").prefetch_related("log").order_by("channel")
    return rows.prefetch_related(Prefetch("deliveries", queryset=told))


def of(notification: Notification) -> list[Way]:
    """Return the way over each channel that was considered, of a row read by `with_story`."""
    return [_way(row, notification) for row in notification.deliveries.all()]


def clock(moment: datetime) -> str:
    """Return a time in the reader's zone: the hour alone if it is today."""
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localdate()
    return date_format(local, "HOUR" if is_today else "MOMENT")


def _way(row: Delivery, notification: Notification) -> Way:
    state = DeliveryState(row.state)
    by = row.decided_by
    reason = _reason(row, notification, state)
    follows, at = _next(row, state)
    decisive = _code(row, state)
    return Way(
        id=row.pk,
        code=row.channel,
        channel=gettext(row.get_channel_display()),
        state=state.value,
        sentence=str(PLANNED)
        if _is_planned(row)
        else STATES[state].format(it=IT[Channel(row.channel)]),
        brief=_brief(row, state, reason),
        reason=reason,
        decider=str(DECIDERS[decisive]) if decisive else "",
        by=(by.get_full_name() or by.get_username()) if by else "",
        decided_at=row.decided_at,
        next=follows,
        next_at=at,
        attempt=row.attempts,
        may_resend=state in RESENDABLE and row.decision not in STALE_REASONS,
        may_confirm=state == DeliveryState.UNKNOWN,
        steps=[_step(entry) for entry in row.log.all()],
        has_failed=state in ENDED and row.decision not in _MEANT,
    )


def _code(row: Delivery, state: DeliveryState) -> Reason | None:
    """Return the reason of ours that explains the state; None if a provider's answer does."""
    if state == DeliveryState.HELD:
        return Reason(row.held_for)
    return Reason(row.decision) if row.decision and state not in _ANSWERED else None


def _reason(row: Delivery, notification: Notification, state: DeliveryState) -> str:
    code = _code(row, state)
    if code == Reason.SETTLED and notification.settled_because:
        because = stored_words.settlement(notification.settled_because)
        return f"{gettext(Reason.SETTLED.label)}: {because}"
    if code:
        return gettext(code.label)
    if meaning := answers.plain(row.reason, row.cause):  # type: ignore[attr-defined]
        return meaning
    # A provider's own words are for the office alone, which reads them in the steps.
    is_theirs = bool(row.reason) and state in _ANSWERED
    return gettext("the provider did not take it") if is_theirs else gettext(row.reason)


def _is_planned(row: Delivery) -> bool:
    """Return whether its time has not come, as of a reminder; a refused one waits otherwise."""
    is_untried = row.state == DeliveryState.DUE and not row.failures
    return is_untried and bool(row.next_attempt_at and row.next_attempt_at > timezone.now())


def _brief(row: Delivery, state: DeliveryState, reason: str) -> str:
    if row.next_attempt_at and _is_planned(row):
        return f"{gettext(row.get_channel_display())}: {PLANNED_FOR}, {clock(row.next_attempt_at)}"
    words = f"{gettext(row.get_channel_display())}: {BRIEF[state]}"
    if state == DeliveryState.HELD and row.release_at:
        return f"{words}, {reason}, {clock(row.release_at)}"
    if state == DeliveryState.SKIPPED or state in _ANSWERED:
        return f"{words}, {reason}" if reason else words
    return f"{words}, {clock(row.finished_at)}" if row.finished_at else words


def _next(row: Delivery, state: DeliveryState) -> tuple[str, datetime | None]:
    match state:
        case DeliveryState.HELD:
            return str(RELEASES[Reason(row.held_for)]), row.release_at
        case DeliveryState.DUE | DeliveryState.RETRYING if not row.is_running:  # type: ignore[attr-defined]
            channel = gettext(row.get_channel_display())
            return gettext("{channel}: stopped. It waits until that runs again").format(
                channel=channel
            ), None
        case DeliveryState.DUE | DeliveryState.RETRYING:
            follows = gettext("The first try") if _is_planned(row) else gettext("The next try")
            return follows, row.next_attempt_at
        case DeliveryState.SENDING:
            return gettext("If our sender has stopped, another one takes over"), row.lease_until
        case DeliveryState.UNKNOWN if row.next_attempt_at:
            return gettext("If no report comes, our rules decide"), row.next_attempt_at
        case DeliveryState.UNKNOWN:
            return gettext("The office decides: send it again, or mark it as arrived"), None
    if state not in ENDED or row.decision in STALE_REASONS:
        return "", None
    instead = routing.fallback(Priority(row.priority))
    if instead and any(entry.event == LogEvent.FALLBACK for entry in row.log.all()):
        channel = gettext(instead.label)
        return gettext("It took another way instead: {channel}").format(channel=channel), None
    return gettext("Nothing more happens by itself"), None


def _step(entry: NotificationDeliveryLog) -> StoryStep:
    what = str(EVENTS[LogEvent(entry.event)])
    if entry.event == LogEvent.CALLING and entry.attempt > 1:
        what = gettext("Handing it over, try {n}").format(n=entry.attempt)
    why, detail = "", entry.detail
    if entry.code in Reason.values:
        label = str(Reason(entry.code).label)
        why, detail = gettext(label), "" if detail == label else detail
    elif entry.event not in (LogEvent.ACCEPTED, LogEvent.DELIVERED):
        why = answers.plain(f"{entry.code} {entry.detail}")
    return StoryStep(
        at=entry.at,
        what=f"{what}: {why}" if why else what,
        source=str(SOURCES[LogSource(entry.source)]),
        code=entry.code,
        detail=detail,
    )
