"""Suppress addresses that bounce for good, and those whose owners complained or opted out.

Sending to them again would cost the sender's reputation, and with it all other recipients' mail.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, CharField, F, OuterRef, Q, QuerySet, Subquery, When
from django.utils import timezone

from apps.core import addresses, conf
from apps.core.models import Choice, Contact, Delivery, ProviderEvent, Suppression
from apps.core.models.contact import ConsentVia
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.models.suppression import Listed, SuppressionReason
from apps.core.states import LASTING_CAUSES, Channel, EventCause, EventKind

logger = logging.getLogger(__name__)

#: After this many temporary bounces (a full mailbox) within the window, the address is suppressed
#: for a while.
SOFT_BOUNCES = 3
SOFT_WINDOW = timedelta(days=30)
SOFT_PAUSE = timedelta(days=14)
#: The reason that is the owner's own decision. It withdraws their consent as well.
OBJECTION = {
    Channel.EMAIL: SuppressionReason.COMPLAINT,
    Channel.SMS: SuppressionReason.OPT_OUT,
}
#: What the same decision is called among the person's choices.
OBJECTED = {Channel.EMAIL: ChoiceVia.COMPLAINT, Channel.SMS: ChoiceVia.STOP}
#: How long a provider's list may still show an address that was just removed from it.
SETTLES = timedelta(hours=1)
#: The detail of a suppression that came from a provider's own list.
FROM_LIST = {Channel.EMAIL: "on SES's suppression list", Channel.SMS: "on SNS's list of opt-outs"}


def with_reasons(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery, Any]:
    """Add to each delivery why its address is suppressed, for `reason_of`."""
    address = Case(
        When(~Q(direct_to=""), then=F("direct_to")),
        When(channel=Channel.EMAIL, then=F("notification__recipient__contact__email")),
        default=F("notification__recipient__contact__phone"),
        output_field=CharField(),
    )
    against = Suppression.objects.in_force().filter(
        channel=OuterRef("channel"), address=OuterRef("to_address")
    )
    return deliveries.annotate(
        to_address=address, suppressed=Subquery(against.values("reason")[:1])
    )


def reason_of(delivery: Delivery) -> SuppressionReason | None:
    """Return why the address is suppressed, or None, of a delivery read by `with_reasons`."""
    reason = delivery.suppressed  # type: ignore[attr-defined]
    return None if reason is None else SuppressionReason(reason)


def suppress_after(event: ProviderEvent, channel: Channel) -> None:
    """Suppress the event's address if the event gives a reason to."""
    if not event.recipient or _is_forgiven(event, channel):
        return
    if event.kind == EventKind.COMPLAINED:
        suppress(channel, event.recipient, SuppressionReason.COMPLAINT, event.code)
    elif event.kind == EventKind.BOUNCED and event.cause in LASTING_CAUSES:
        opted_out = event.cause == EventCause.OPTED_OUT
        reason = SuppressionReason.OPT_OUT if opted_out else SuppressionReason.BOUNCE
        suppress(channel, event.recipient, reason, event.detail)
    elif channel == Channel.SMS:
        # A phone that is off says nothing about the number.
        return
    elif event.kind == EventKind.BOUNCED and _recent_bounces(event) >= SOFT_BOUNCES:
        until = timezone.now() + SOFT_PAUSE
        suppress(channel, event.recipient, SuppressionReason.BOUNCE, event.detail, until=until)


def suppress(
    channel: Channel,
    address: str,
    reason: SuppressionReason,
    detail: str = "",
    *,
    until: datetime | None = None,
) -> None:
    """Suppress the address until that time or, without `until`, until a person lifts it.

    A suppression without an end keeps its first reason.
    """
    values = {"reason": reason, "detail": detail, "until": until}
    row, created = Suppression.objects.get_or_create(
        channel=channel, address=address, lifted_at=None, defaults=values
    )
    if created:
        logger.warning("address suppressed id=%s channel=%s reason=%s", row.pk, channel, reason)
    elif row.until is not None:
        Suppression.objects.filter(pk=row.pk).update(**values)
    if reason == OBJECTION[channel]:
        _withdraw_consent(channel, [row.address])


def import_listed(channel: Channel, entries: Sequence[Listed]) -> int:
    """Suppress the addresses of a provider's own list; return how many are new here.

    An entry older than our lift of the same address is to be removed from the provider's list.
    """
    by_address = {addresses.canonical(entry.address): entry for entry in entries}
    rows = Suppression.objects.filter(channel=channel, address__in=by_address)
    standing = rows.filter(lifted_at=None)
    standing.update(listed_at=timezone.now())
    known = {row.address: row for row in standing}
    lifted = {row.address: row for row in rows.exclude(lifted_at=None).order_by("lifted_at")}
    new = []
    for address, entry in by_address.items():
        if row := known.get(address):
            _confirm(row, entry)
        elif (before := lifted.get(address)) and _is_outdated(entry, before):
            _mark_for_removal(before, entry)
        else:
            new.append(_from_list(channel, address, entry))
    # A suppression that an event made meanwhile stays as it is.
    Suppression.objects.bulk_create(new, ignore_conflicts=True)
    _withdraw_consent(channel, [row.address for row in new if row.reason == OBJECTION[channel]])
    return len(new)


def _from_list(channel: Channel, address: str, entry: Listed) -> Suppression:
    return Suppression(
        channel=channel,
        address=address,
        reason=entry.reason,
        detail=FROM_LIST[channel],
        since=entry.since or timezone.now(),
        listed_as=entry.address,
        listed_at=timezone.now(),
    )


def _confirm(row: Suppression, entry: Listed) -> None:
    """Remember how the list spells the address; a suppression with an end loses that end."""
    values: dict[str, Any] = {"listed_as": entry.address}
    if row.until is not None:
        detail = FROM_LIST[Channel(row.channel)]
        values |= {"until": None, "reason": entry.reason, "detail": detail}
    elif row.listed_as == entry.address:
        return
    Suppression.objects.filter(pk=row.pk).update(**values)


def _is_outdated(entry: Listed, lifted: Suppression) -> bool:
    """Return whether the entry is older than our lift."""
    assert lifted.lifted_at is not None
    if entry.since is not None:
        return entry.since < lifted.lifted_at
    return lifted.unlist or _is_settling(lifted)


def _mark_for_removal(lifted: Suppression, entry: Listed) -> None:
    if entry.since is not None:
        rows = Suppression.objects.filter(pk=lifted.pk)
        rows.update(unlist=True, listed_as=entry.address, listed_at=timezone.now())


def _withdraw_consent(channel: Channel, suppressed: Collection[str]) -> None:
    # The owner's decision also holds for their next address.
    if not suppressed:
        return
    consent = Contact.consent(channel)
    field = "email" if channel == Channel.EMAIL else "phone"
    owners = Contact.objects.filter(**{f"{field}__in": suppressed})
    values: dict[str, Any] = {consent: False}
    if channel == Channel.SMS:
        values |= {"sms_withdrawn_at": timezone.now(), "sms_via": ConsentVia.STOP}
    with transaction.atomic():
        ids = list(owners.filter(**{consent: True}).values_list("user_id", flat=True))
        owners.filter(user_id__in=ids).update(**values)
        _end_choices(ids, channel)
        Choice.objects.bulk_create(
            Choice(user_id=pk, channel=channel, setting=Setting.OFF, via=OBJECTED[channel])
            for pk in ids
        )
    if ids:
        logger.warning("consent withdrawn channel=%s contacts=%d", channel, len(ids))


def restore_consent(row: Suppression) -> None:
    """Record that the owner of the number answered START after a STOP, which took back a consent.

    A consent that was taken back in another way stays so: START is about the number alone.
    """
    stopped = Contact.objects.filter(phone=row.address, sms_opt_in=False, sms_via=ConsentVia.STOP)
    with transaction.atomic():
        ids = list(stopped.values_list("user_id", flat=True))
        stopped.update(sms_opt_in=True, sms_via=ConsentVia.START)
        end_objection(ids, Channel.SMS)
    if ids:
        logger.info("consent given again by START contacts=%d", len(ids))


def end_objection(users: Collection[Any], channel: Channel) -> None:
    """End the choice that a STOP or a complaint of these users made for every category."""
    _end_choices(users, channel, via=OBJECTED[channel])


def _end_choices(users: Collection[Any], channel: Channel, **among: Any) -> None:
    present = Choice.objects.present().filter(user__in=users, category="", channel=channel, **among)
    present.update(replaced_at=timezone.now())


def lift(row: Suppression, by: str, *, is_listed: bool = True) -> bool:
    """Lift a suppression; return False if it was lifted before.

    The address is then to be removed from the provider's own list, unless it is known not to be
    there (`is_listed=False`).
    """
    still = Suppression.objects.filter(pk=row.pk, lifted_at=None)
    unlist = is_listed and _provider_lists(row)
    return bool(still.update(lifted_at=timezone.now(), lifted_by=by, unlist=unlist))


def lift_objection(channel: Channel, address: str, by: str) -> bool:
    """Lift a complaint or opt-out because the owner agrees again; return False if there is none."""
    standing = Suppression.objects.in_force().filter(channel=channel, address=address)
    row = standing.filter(reason=OBJECTION[channel]).first()
    return row is not None and lift(row, by)


def _provider_lists(row: Suppression) -> bool:
    if row.channel == Channel.EMAIL:
        return conf.ses_keeps_a_list()
    return row.reason == SuppressionReason.OPT_OUT and conf.sns_sends_texts()


def _last_lifted(event: ProviderEvent, channel: Channel) -> Suppression | None:
    lifted = Suppression.objects.filter(channel=channel, address=event.recipient)
    return lifted.exclude(lifted_at=None).order_by("-lifted_at").first()


def _is_forgiven(event: ProviderEvent, channel: Channel) -> bool:
    """Return whether a later lift of the address makes the event irrelevant.

    That includes an event that only says that the provider's own list still has the address.
    """
    lifted = _last_lifted(event, channel)
    if lifted is None:
        return False
    assert lifted.lifted_at is not None
    if event.occurred_at < lifted.lifted_at:
        return True
    if event.cause == EventCause.OWN_LIST:
        # However long the removal from SES's list takes.
        return lifted.unlist or _is_settling(lifted)
    return event.cause == EventCause.OPTED_OUT and _is_settling(lifted)


def _is_settling(lifted: Suppression) -> bool:
    """Return whether the provider's own list may not show the lift yet."""
    if not lifted.unlist and lifted.unlisted_at is None:
        return False
    moments = filter(None, (lifted.lifted_at, lifted.unlisted_at))
    return max(moments) > timezone.now() - SETTLES


def _recent_bounces(event: ProviderEvent) -> int:
    since = event.occurred_at - SOFT_WINDOW
    lifted = _last_lifted(event, Channel.EMAIL)
    if lifted and lifted.lifted_at:
        since = max(since, lifted.lifted_at)
    bounces = ProviderEvent.objects.filter(
        kind=EventKind.BOUNCED, recipient=event.recipient, occurred_at__gt=since
    )
    return bounces.exclude(delivery=None).count()
