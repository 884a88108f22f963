"""Measure how much of our e-mail bounces or is complained about, and act before SES does.

SES reviews an account at 5 % bounces or 0.1 % complaints and may pause it at 10 % or 0.5 %
(https://docs.aws.amazon.com/ses/latest/dg/reputationdashboardmessages.html). At the first pair we
warn the administrator. At the second we stop e-mail that is not urgent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from apps.core.models import Mark, ProviderEvent
from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel, EventCause, EventKind

from . import circuit_breaker

WINDOW = timedelta(hours=24)
#: With fewer messages than this within the window, a share says nothing.
MIN_SENT = 100
WARN_BOUNCES, WARN_COMPLAINTS = 0.05, 0.001
STOP_BOUNCES, STOP_COMPLAINTS = 0.10, 0.005
#: The least numbers besides the shares: among 200 e-mails, one complaint is half a percent.
WARN_MIN_BOUNCES, WARN_MIN_COMPLAINTS = 5, 2
STOP_MIN_BOUNCES, STOP_MIN_COMPLAINTS = 10, 5
#: The mark since which events count, set when a person let a stopped channel run again.
LIFTED = "reputation lifted"


@dataclass(frozen=True)
class Reputation:
    """How many e-mails SES sent within the window, and what its events said of them."""

    sent: int
    bounced: int
    complained: int

    @property
    def bounces(self) -> float:
        return self.bounced / self.sent if self.sent else 0.0

    @property
    def complaints(self) -> float:
        return self.complained / self.sent if self.sent else 0.0

    @property
    def is_bad(self) -> bool:
        return self.sent >= MIN_SENT and (
            (self.bounces >= STOP_BOUNCES and self.bounced >= STOP_MIN_BOUNCES)
            or (self.complaints >= STOP_COMPLAINTS and self.complained >= STOP_MIN_COMPLAINTS)
        )

    @property
    def is_doubtful(self) -> bool:
        return self.sent >= MIN_SENT and (
            (self.bounces >= WARN_BOUNCES and self.bounced >= WARN_MIN_BOUNCES)
            or (self.complaints >= WARN_COMPLAINTS and self.complained >= WARN_MIN_COMPLAINTS)
        )

    def __str__(self) -> str:
        return (
            f"of {self.sent:,} e-mails {self.bounced:,} bounced for good ({self.bounces:.1%}) and "
            f"{self.complained:,} were complained about ({self.complaints:.2%})"
        )


def measure() -> Reputation:
    """Count over the last 24 hours, or since a person let a stopped channel run again."""
    ours = ProviderEvent.objects.filter(received_at__gt=_since()).exclude(delivery=None)
    # SES counts neither its simulator's bounces nor those of its own suppression list.
    ours = ours.exclude(is_simulated=True)
    hard = Q(kind=EventKind.BOUNCED, cause=EventCause.ADDRESS)
    counts = ours.filter(provider="ses").aggregate(
        sent=Count("pk", filter=Q(kind=EventKind.SENT)),
        ended=Count("pk", filter=Q(kind=EventKind.DELIVERED) | hard),
        bounced=Count("pk", filter=hard),
        complained=Count("pk", filter=Q(kind=EventKind.COMPLAINED)),
    )
    # An event destination may leave out one of the two.
    sent = max(counts["sent"], counts["ended"])
    return Reputation(sent, counts["bounced"], counts["complained"])


def watch() -> Reputation:
    """Stop e-mail that is not urgent if the reputation is bad; resume it if it is good again."""
    reputation = measure()
    if reputation.is_bad:
        circuit_breaker.hold_back(Channel.EMAIL, f"too much of it is unwanted: {reputation}")
    elif not reputation.is_doubtful:
        circuit_breaker.resume(Channel.EMAIL, str(reputation), cause=StopCause.REPUTATION)
    return reputation


def lift() -> bool:
    """Resume e-mail by a person's decision, counting from zero; return False if it was not
    stopped."""
    Mark.objects.update_or_create(name=LIFTED, defaults={"at": timezone.now()})
    return circuit_breaker.resume(Channel.EMAIL, "lifted", cause=StopCause.REPUTATION)


def _since() -> datetime:
    since = timezone.now() - WINDOW
    lifted = Mark.objects.filter(name=LIFTED).values_list("at", flat=True).first()
    return max(since, lifted) if lifted else since
