"""The delivery story of one message, in plain words for its recipient and for the office."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext, gettext_lazy

from apps.core.models import Delivery, Notification, NotificationDeliveryLog
from apps.core.reasons import HOLD_REASONS, Reason
from apps.core.states import Channel, DeliveryState, LogEvent

from . import settled

#: What a state means for the reader; `{it}` is the mailbox or the phone.
_STATES = {
    DeliveryState.DUE: gettext_lazy("It is about to be sent."),
    DeliveryState.SENDING: gettext_lazy("It is being sent now."),
    DeliveryState.RETRYING: gettext_lazy("It could not be sent yet, and is tried again by itself."),
    DeliveryState.UNKNOWN: gettext_lazy(
        "It may have arrived: the connection broke while it was handed over."
    ),
    DeliveryState.ACCEPTED: gettext_lazy("It was handed over; {it} has not confirmed it yet."),
    DeliveryState.DELIVERED: gettext_lazy("It arrived at {it}."),
    DeliveryState.BOUNCED: gettext_lazy("It came back: {it} did not take it."),
    DeliveryState.COMPLAINED: gettext_lazy("It arrived, and was reported as unwanted."),
    DeliveryState.REJECTED: gettext_lazy("It could not be sent."),
    DeliveryState.EXHAUSTED: gettext_lazy("It could not be sent although it was tried many times."),
    DeliveryState.SKIPPED: gettext_lazy("It was not sent."),
    DeliveryState.HELD: gettext_lazy("It waits."),
    DeliveryState.FOLDED: gettext_lazy("It was sent together with others."),
}
_EVENTS = {
    LogEvent.SKIPPED: gettext_lazy("Not sent"),
    LogEvent.HELD: gettext_lazy("Held back"),
    LogEvent.RELEASED: gettext_lazy("The wait is over"),
    LogEvent.FOLDED: gettext_lazy("Put together with others"),
    LogEvent.CALLING: gettext_lazy("Handing it over"),
    LogEvent.NOT_CALLED: gettext_lazy("Not handed over after all"),
    LogEvent.ACCEPTED: gettext_lazy("Handed over"),
    LogEvent.DELAYED: gettext_lazy("On its way, but late"),
    LogEvent.REPLIED: gettext_lazy("An automatic reply came"),
    LogEvent.DELIVERED: gettext_lazy("Arrived"),
    LogEvent.BOUNCED: gettext_lazy("Came back"),
    LogEvent.COMPLAINED: gettext_lazy("Reported as unwanted"),
    LogEvent.TRANSIENT: gettext_lazy("Refused for now"),
    LogEvent.PERMANENT: gettext_lazy("Refused"),
    LogEvent.AMBIGUOUS: gettext_lazy("No answer"),
    LogEvent.LOST_BEFORE_CALL: gettext_lazy("Our sender stopped before it was handed over"),
    LogEvent.LOST_AFTER_CALL: gettext_lazy("Our sender stopped while it was handed over"),
    LogEvent.RESEND: gettext_lazy("To be sent again"),
    LogEvent.LEFT: gettext_lazy("Left for the office to decide"),
    LogEvent.FALLBACK: gettext_lazy("Another way was taken instead"),
}
_IT = {Channel.EMAIL: gettext_lazy("the mailbox"), Channel.SMS: gettext_lazy("the phone")}
#: States in which `reason` says why, in a provider's or our own words.
_WITH_REASON = {
    DeliveryState.REJECTED,
    DeliveryState.EXHAUSTED,
    DeliveryState.BOUNCED,
    DeliveryState.RETRYING,
}


@dataclass(frozen=True)
class Step:
    at: datetime
    what: str
    #: What a provider or worker wrote: for the office, since it is no plain language.
    detail: str


@dataclass(frozen=True)
class Way:
    """The way of the message over one channel."""

    channel: str
    #: The state's name, for the page's colors.
    state: str
    sentence: str
    #: Why it went this way or did not, and who decided that and when.
    reason: str
    by: str
    decided_at: datetime | None
    #: When something happens next; empty if nothing does.
    next_at: datetime | None
    steps: list[Step]


def of(notification: Notification) -> list[Way]:
    """Return the message's way over each channel that was considered."""
    rows = notification.deliveries.select_related("decided_by").prefetch_related("log")
    return [_way(row, notification) for row in rows.order_by("channel")]


def _way(row: Delivery, notification: Notification) -> Way:
    state = DeliveryState(row.state)
    by = row.decided_by
    return Way(
        channel=gettext(row.get_channel_display()),
        state=state.value,
        sentence=_STATES[state].format(it=_IT[Channel(row.channel)]),
        reason=_reason(row, notification, state),
        by=(by.get_full_name() or by.get_username()) if by else "",
        decided_at=row.decided_at,
        next_at=_next(row, state),
        steps=[_step(entry) for entry in row.log.all()],
    )


def _reason(row: Delivery, notification: Notification, state: DeliveryState) -> str:
    if state == DeliveryState.HELD:
        return gettext(HOLD_REASONS[row.held_for])
    if row.decision == Reason.SETTLED and notification.settled_because:
        return f"{gettext(Reason.SETTLED.label)}: {settled.words(notification.settled_because)}"
    if state in _WITH_REASON or not row.decision:
        # A provider's words, or ours.
        return gettext(row.reason)
    return gettext(Reason(row.decision).label)


def _next(row: Delivery, state: DeliveryState) -> datetime | None:
    match state:
        case DeliveryState.HELD:
            return row.release_at
        case DeliveryState.RETRYING | DeliveryState.DUE:
            return row.next_attempt_at
    return None


def _step(entry: NotificationDeliveryLog) -> Step:
    what = str(_EVENTS[LogEvent(entry.event)])
    if entry.event == LogEvent.HELD and entry.code in HOLD_REASONS:
        what += f": {gettext(HOLD_REASONS[entry.code])}"
    return Step(entry.at, what, entry.detail)
