"""Which addresses are left alone: what bounces for good, and whoever complained.

To go on writing to them costs the sender's reputation, and with it everybody else's mail.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Case, F, OuterRef, Subquery, When
from django.db.models.functions import Lower
from django.utils import timezone

from .models import Delivery, ProviderEvent, Suppression
from .models.suppression import SuppressionReason
from .states import Channel, EventKind

logger = logging.getLogger(__name__)

#: So many bounces that are said to pass (a full mailbox), within so long, and the address is left
#: alone for a while.
SOFT_BOUNCES = 3
SOFT_WINDOW = timedelta(days=30)
SOFT_PAUSE = timedelta(days=14)
#: How SNS says that the owner of a number answered STOP.
OPTED_OUT = "opted out"


def for_attempt(delivery_id: UUID) -> Delivery:
    """The delivery with what its attempt needs, in one query.

    Its `suppressed` is the reason why its address is left alone, or None.
    """
    address = Case(
        When(channel=Channel.EMAIL, then=Lower("notification__recipient__contact__email")),
        default=F("notification__recipient__contact__phone"),
    )
    against = Suppression.objects.in_force().filter(
        channel=OuterRef("channel"), address=OuterRef("to_address")
    )
    rows = Delivery.objects.select_related("notification__recipient__contact")
    return rows.annotate(to_address=address, suppressed=Subquery(against.values("reason")[:1])).get(
        pk=delivery_id
    )


def after(report: ProviderEvent, channel: Channel) -> None:
    """Suppress the address that a report speaks of, where it gives reason to."""
    if not report.recipient or _is_forgiven(report):
        return
    if report.kind == EventKind.COMPLAINED:
        suppress(channel, report.recipient, SuppressionReason.COMPLAINT, report.code)
    elif report.kind == EventKind.BOUNCED and report.permanent:
        stopped = OPTED_OUT in report.detail.lower()
        reason = SuppressionReason.OPT_OUT if stopped else SuppressionReason.BOUNCE
        suppress(channel, report.recipient, reason, report.detail)
    elif channel == Channel.SMS:
        # A phone that is off says nothing of the number.
        return
    elif report.kind == EventKind.BOUNCED and _bounces_of_late(report) >= SOFT_BOUNCES:
        until = timezone.now() + SOFT_PAUSE
        suppress(channel, report.recipient, SuppressionReason.BOUNCE, report.detail, until=until)


def suppress(
    channel: Channel,
    address: str,
    reason: SuppressionReason,
    detail: str = "",
    *,
    until: datetime | None = None,
) -> None:
    """Leave the address alone, until then or, without `until`, until somebody lifts it.

    One that is left alone for ever already stays so.
    """
    values = {"reason": reason, "detail": detail, "until": until}
    row, created = Suppression.objects.get_or_create(
        channel=channel, address=canonical(address), lifted_at=None, defaults=values
    )
    if created:
        logger.warning("address suppressed id=%s channel=%s reason=%s", row.pk, channel, reason)
    elif row.until is not None:
        Suppression.objects.filter(pk=row.pk).update(**values)


def canonical(address: str) -> str:
    """The address as contacts have it: in lower case, its domain not in Punycode."""
    local, at, domain = address.lower().rpartition("@")
    try:
        return local + at + domain.encode("ascii").decode("idna")
    except UnicodeError:
        return address.lower()


def lift(row: Suppression, by: str) -> bool:
    """Write to the address again; False where somebody lifted it before."""
    still = Suppression.objects.filter(pk=row.pk, lifted_at=None)
    return bool(still.update(lifted_at=timezone.now(), lifted_by=by))


def _last_lifted(report: ProviderEvent) -> datetime | None:
    lifted = Suppression.objects.filter(address=canonical(report.recipient))
    latest = lifted.exclude(lifted_at=None).order_by("-lifted_at")
    return latest.values_list("lifted_at", flat=True).first()


def _is_forgiven(report: ProviderEvent) -> bool:
    """Whether it happened before somebody in the office lifted a suppression of its address."""
    lifted_at = _last_lifted(report)
    return lifted_at is not None and report.occurred_at < lifted_at


def _bounces_of_late(report: ProviderEvent) -> int:
    since = report.occurred_at - SOFT_WINDOW
    if lifted_at := _last_lifted(report):
        since = max(since, lifted_at)
    bounces = ProviderEvent.objects.filter(
        kind=EventKind.BOUNCED, recipient=report.recipient, occurred_at__gt=since
    )
    return bounces.exclude(delivery=None).count()
