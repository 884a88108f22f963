"""The recipients of round trips: users without a password, at AWS's simulator."""

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q
from django.utils import timezone

from apps.core import conf
from apps.core.models import Choice, Contact, Mark, Suppression
from apps.core.providers.aws.simulator import MAILBOX_DOMAIN, NUMBERS
from apps.core.states import Channel, DeliveryState

_UNDER_WAY = "loopback under way until"

EMAILS = {
    "success": DeliveryState.DELIVERED,
    "bounce": DeliveryState.BOUNCED,
    "complaint": DeliveryState.COMPLAINED,
    "suppressionlist": DeliveryState.BOUNCED,
}
TEXTS = {"sms-success": DeliveryState.DELIVERED, "sms-failure": DeliveryState.BOUNCED}
_LABELED = rf"^({'|'.join(EMAILS)})\+[0-9a-f]{{6}}{re.escape(MAILBOX_DOMAIN)}$"


class CannotStart(Exception):
    """Nothing was sent; the text says why, and what to do."""


class Recipient(NamedTuple):
    """A recipient that AWS simulates; `ends` is the state in which its delivery ends."""

    name: str
    channel: Channel
    address: str
    ends: DeliveryState


def label() -> str:
    """Make the label that marks the messages of one run."""
    return secrets.token_hex(3)


def recipients(names: Iterable[str], run: str, country: str) -> list[Recipient]:
    """Return the recipients of these names for one run; raises CannotStart.

    The run's label keeps its suppressions from the next run. Numbers take no label.
    """
    numbers = dict(zip(TEXTS, NUMBERS[country], strict=True))
    chosen = [
        Recipient(name, Channel.SMS, numbers[name], TEXTS[name])
        if name in TEXTS
        else Recipient(name, Channel.EMAIL, f"{name}+{run}{MAILBOX_DOMAIN}", EMAILS[name])
        for name in names
    ]
    barred = [each for each in chosen if not conf.may_reach(each.address)]
    if barred:
        entries = sorted({_entry(each) for each in barred})
        raise CannotStart(
            "Staging reaches its list alone, and the workers would skip these: add "
            f"{','.join(entries)} to STAGING_ALLOWED_RECIPIENTS. No person is behind them."
        )
    return chosen


def user_for(recipient: Recipient) -> AbstractBaseUser:
    """Return the user of this recipient, with its address as contact; raises CannotStart."""
    user, _ = get_user_model().objects.get_or_create(
        username=f"loopback-{recipient.name}",
        defaults={
            "first_name": "Loopback",
            "last_name": recipient.name,
            "password": make_password(None),
        },
    )
    if user.has_usable_password():
        raise CannotStart(f"The user {user} belongs to a person: it has a password. Rename it.")
    is_email = recipient.channel == Channel.EMAIL
    email, phone = (recipient.address, "") if is_email else ("", recipient.address)
    Contact.objects.update_or_create(
        user=user,
        defaults={
            "email": email,
            "verified_email": email,
            "phone": phone,
            "verified_phone": phone,
            # The complaint of the last run has withdrawn it, and left a choice.
            "wants_email": True,
            "sms_opt_in": not is_email,
        },
    )
    Choice.objects.filter(user=user).delete()
    return user


@contextmanager
def hold_lock(longest: timedelta) -> Iterator[None]:
    """Hold the lock of the only run, because the users are shared; raises CannotStart.

    A run that was killed keeps the lock for as long as it would have taken.
    """
    now = timezone.now()
    mark, _ = Mark.objects.get_or_create(name=_UNDER_WAY, defaults={"at": now})
    if not Mark.objects.filter(pk=mark.pk, at__lte=now).update(at=now + longest):
        raise CannotStart(f"Another run is under way until {mark.at:%H:%M:%S} UTC: wait for it.")
    try:
        yield
    finally:
        Mark.objects.filter(pk=mark.pk).delete()


def forget_suppressions(chosen: Iterable[Recipient]) -> None:
    """Delete the suppressions that runs have caused, late events of earlier ones included.

    The numbers are the same in each run, so the next would skip them.
    """
    labeled = Q(channel=Channel.EMAIL, address__regex=_LABELED)
    numbers = [each.address for each in chosen if each.channel == Channel.SMS]
    Suppression.objects.filter(labeled | Q(channel=Channel.SMS, address__in=numbers)).delete()


def _entry(recipient: Recipient) -> str:
    return MAILBOX_DOMAIN if recipient.channel == Channel.EMAIL else recipient.address
