"""Prove that a person has an address: send a link or a code, and take it back."""

from datetime import timedelta
from enum import Enum
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import ngettext

from apps.core.addresses import shown
from apps.core.delivery import holds
from apps.core.message import account_kinds
from apps.core.models import Contact, Verification
from apps.core.models.verification import VALID_FOR, Purpose, code, id_of
from apps.core.states import Channel

from . import direct

#: The purpose of a verification that confirms the address of a channel.
PURPOSE = {Channel.EMAIL: Purpose.EMAIL, Channel.SMS: Purpose.PHONE}


class Limit(NamedTuple):
    """How many links and codes may be sent within a time, for one user, address or network."""

    sent: int
    within: timedelta


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: A text costs money, and strangers may own the address: both are few.
PER_USER = (Limit(5, HOUR), Limit(15, DAY))
PER_ADDRESS = (Limit(3, HOUR), Limit(6, DAY))
#: A fleet's yard may share one address.
PER_NETWORK = (Limit(20, HOUR), Limit(60, DAY))


class TooMany(Exception):
    """Too many links or codes were sent; the text says when to try again."""


class Result(Enum):
    """How the use of a link or a code ended."""

    CONFIRMED = "confirmed"
    #: It was not the code that was sent.
    WRONG = "wrong"
    #: It is too old, was replaced, or was tried too often: a new one is needed.
    OVER = "over"


@transaction.atomic
def send(contact: Contact, channel: Channel, *, network: str = "") -> Verification:
    """Send the link or code that confirms the contact's present address; raise TooMany.

    `network`: a fingerprint of the network address that asked for it. Earlier codes end; earlier
    links stay valid, because e-mails may arrive in any order.
    """
    purpose = PURPOSE[channel]
    row = _count(contact, purpose, contact.address(channel), network=network)
    if purpose == Purpose.PHONE:
        context = {"number": shown(row.address), "verification": str(row.pk)}
        kind = account_kinds.CONFIRM_PHONE
    else:
        context = {"address": row.address, "verification": str(row.pk)}
        kind = account_kinds.CONFIRM_EMAIL
    direct.send(
        kind,
        contact.user,
        context,
        channel=channel,
        to=row.address,
        action_url=reverse("contact:details"),
    )
    return row


@transaction.atomic
def send_new_password(contact: Contact, *, network: str) -> None:
    """E-mail a link to a new password to the verified address; raise TooMany."""
    row = _count(contact, Purpose.PASSWORD, contact.verified_email, network=network)
    direct.send(
        account_kinds.NEW_PASSWORD,
        contact.user,
        {"username": contact.user.get_username()},
        channel=Channel.EMAIL,
        to=row.address,
        action_url=reverse("login"),
    )


def _count(contact: Contact, purpose: Purpose, address: str, *, network: str) -> Verification:
    """Count a link or code against the limits and return its row; raise TooMany."""
    # Locked, so that one user's requests at the same time are counted one after the other.
    Contact.objects.select_for_update().get(pk=contact.pk)
    # By purpose: what a stranger can ask for, a new password, must not use up the rest.
    _check(Q(user=contact.user_id, purpose=purpose), PER_USER)
    _check(Q(address=address, purpose=purpose), PER_ADDRESS)
    if network:
        _check(Q(network=network), PER_NETWORK)
    if purpose == Purpose.PHONE:
        _end(contact, purpose)
    return Verification.objects.create(
        user_id=contact.user_id,
        purpose=purpose,
        address=address,
        network=network,
        expires_at=timezone.now() + VALID_FOR[purpose],
    )


def confirm_phone(contact: Contact, typed: str) -> Result:
    """Compare a typed code with the newest one that was sent to the present number."""
    rows = Verification.objects.usable().filter(
        user=contact.user_id, purpose=Purpose.PHONE, address=contact.phone
    )
    row = rows.order_by("-created_at").first()
    # The try is counted first, in one statement: guesses at the same time count as well.
    if row is None or not rows.filter(pk=row.pk).update(tries=F("tries") + 1):
        return Result.OVER
    if not constant_time_compare(code(row.pk), "".join(typed.split())):
        return Result.WRONG if rows.filter(pk=row.pk).exists() else Result.OVER
    return _use(row)


def confirm_email(token: str) -> Result:
    """Confirm the address of a link; a person who has the link can read the mailbox."""
    row = find(token)
    return _use(row) if row and row.used_at is None else Result.OVER


def find(token: str) -> Verification | None:
    """Return the verification of a link whose address is still the person's, or None."""
    if (pk := id_of(token)) is None:
        return None
    found = Verification.objects.filter(pk=pk, purpose=Purpose.EMAIL)
    row = found.filter(user__contact__email=F("address")).select_related("user__contact").first()
    return row if row and (row.used_at or row.expires_at > timezone.now()) else None


def _use(row: Verification) -> Result:
    """Mark the address as verified, once, if it is still the person's."""
    purpose = Purpose(row.purpose)
    field = "phone" if purpose == Purpose.PHONE else "email"
    with transaction.atomic():
        unused = Verification.objects.filter(pk=row.pk, used_at=None, expires_at__gt=Now())
        if not unused.update(used_at=Now()):
            return Result.OVER
        theirs = Contact.objects.filter(user=row.user_id, **{field: row.address})
        if not theirs.update(**{f"verified_{field}": row.address}):
            return Result.OVER
        _end(row.user.contact, purpose)
        holds.recompute(row.user_id)
    return Result.CONFIRMED


def _end(contact: Contact, purpose: Purpose) -> None:
    Verification.objects.filter(user=contact.user_id, purpose=purpose, used_at=None).update(
        used_at=Now()
    )


def _check(what: Q, limits: tuple[Limit, ...]) -> None:
    for limit in limits:
        since = timezone.now() - limit.within
        sent = Verification.objects.filter(what, created_at__gt=since).order_by("-created_at")
        # The one whose age decides: when it is older than the limit's time, one more may be sent.
        decisive = sent[limit.sent - 1 : limit.sent].values_list("created_at", flat=True).first()
        if decisive is not None:
            raise TooMany(_try_again(decisive + limit.within - timezone.now()))


def _try_again(wait: timedelta) -> str:
    minutes = max(1, -(-int(wait.total_seconds()) // 60))
    if minutes < 60:
        return ngettext(
            "That was asked for too often. Try again in {n} minute.",
            "That was asked for too often. Try again in {n} minutes.",
            minutes,
        ).format(n=minutes)
    hours = -(-minutes // 60)
    return ngettext(
        "That was asked for too often. Try again in {n} hour.",
        "That was asked for too often. Try again in {n} hours.",
        hours,
    ).format(n=hours)
