"""How our e-mail is received: the shares that bounce and that are complained about.

SES reviews an account at 5 % bounces or 0.1 % complaints and may pause it at 10 % or 0.5 %
(https://docs.aws.amazon.com/ses/latest/dg/reputationdashboardmessages.html). We warn at the first
and stop what is not urgent at the second, before SES stops everything.
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
#: Messages within the window below which a share says nothing.
LEAST = 100
WARN_BOUNCES, WARN_COMPLAINTS = 0.05, 0.001
STOP_BOUNCES, STOP_COMPLAINTS = 0.10, 0.005
#: And so many of them: among few hundred e-mails, one reader's click is half a per cent.
WARN_LEAST_BOUNCES, WARN_LEAST_COMPLAINTS = 5, 2
STOP_LEAST_BOUNCES, STOP_LEAST_COMPLAINTS = 10, 5
#: From when on is counted after somebody in the office let a stopped channel run again.
LIFTED = "reputation lifted"


@dataclass(frozen=True)
class Reputation:
    """What SES reported within the window."""

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
        return self.sent >= LEAST and (
            (self.bounces >= STOP_BOUNCES and self.bounced >= STOP_LEAST_BOUNCES)
            or (self.complaints >= STOP_COMPLAINTS and self.complained >= STOP_LEAST_COMPLAINTS)
        )

    @property
    def is_doubtful(self) -> bool:
        return self.sent >= LEAST and (
            (self.bounces >= WARN_BOUNCES and self.bounced >= WARN_LEAST_BOUNCES)
            or (self.complaints >= WARN_COMPLAINTS and self.complained >= WARN_LEAST_COMPLAINTS)
        )

    def __str__(self) -> str:
        return (
            f"of {self.sent:,} e-mails {self.bounced:,} bounced for good ({self.bounces:.1%}) and "
            f"{self.complained:,} were complained about ({self.complaints:.2%})"
        )


def present() -> Reputation:
    """Over the last 24 hours, or since somebody let a stopped channel run again."""
    ours = ProviderEvent.objects.filter(received_at__gt=_since()).exclude(delivery=None)
    # SES counts neither what its simulator bounces nor what its own suppression list stops.
    ours = ours.exclude(is_simulated=True)
    hard = Q(kind=EventKind.BOUNCED, cause=EventCause.ADDRESS)
    counts = ours.filter(provider="ses").aggregate(
        sent=Count("pk", filter=Q(kind=EventKind.SENT)),
        ended=Count("pk", filter=Q(kind=EventKind.DELIVERED) | hard),
        bounced=Count("pk", filter=hard),
        complained=Count("pk", filter=Q(kind=EventKind.COMPLAINED)),
    )
    # An event destination may leave out the one or the other.
    sent = max(counts["sent"], counts["ended"])
    return Reputation(sent, counts["bounced"], counts["complained"])


def watch() -> Reputation:
    """Stop what is not urgent where the reputation is bad, let it run where it is good again."""
    reputation = present()
    if reputation.is_bad:
        circuit_breaker.hold_back(Channel.EMAIL, f"too much of it is not wanted: {reputation}")
    elif not reputation.is_doubtful:
        circuit_breaker.resume(Channel.EMAIL, str(reputation), cause=StopCause.REPUTATION)
    return reputation


def lift() -> bool:
    """Let e-mail run again, by the word of a person, and count anew; False where it did run."""
    Mark.objects.update_or_create(name=LIFTED, defaults={"at": timezone.now()})
    return circuit_breaker.resume(Channel.EMAIL, "lifted", cause=StopCause.REPUTATION)


def _since() -> datetime:
    since = timezone.now() - WINDOW
    lifted = Mark.objects.filter(name=LIFTED).values_list("at", flat=True).first()
    return max(since, lifted) if lifted else since
