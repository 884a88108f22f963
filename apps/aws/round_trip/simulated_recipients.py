"""Whom `aws loopback` writes to: accounts that nobody can sign in to, at AWS's own addresses."""

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
from apps.core.models import Contact, Mark, Suppression
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
_LABELLED = rf"^({'|'.join(EMAILS)})\+[0-9a-f]{{6}}{re.escape(MAILBOX_DOMAIN)}$"


class CannotStart(Exception):
    """Nothing was sent; the text is a sentence that says why, and what to do."""


class Recipient(NamedTuple):
    """One that AWS plays; `ends` is the state to which its part brings a delivery."""

    name: str
    channel: Channel
    address: str
    ends: DeliveryState


def label() -> str:
    """What tells the messages of one run from those of another."""
    return secrets.token_hex(3)


def recipients(names: Iterable[str], run: str, country: str) -> list[Recipient]:
    """Those of these names, for the run of that label; raises CannotStart.

    The label keeps what one run suppresses from the next. Numbers take none.
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


def account(recipient: Recipient) -> AbstractBaseUser:
    """The account of this recipient, with its address as the contact; raises CannotStart."""
    user, _ = get_user_model().objects.get_or_create(
        username=f"loopback-{recipient.name}",
        defaults={
            "first_name": "Loopback",
            "last_name": recipient.name,
            "password": make_password(None),
        },
    )
    if user.has_usable_password():
        raise CannotStart(f"The account {user} is somebody's: it has a password. Rename it.")
    is_email = recipient.channel == Channel.EMAIL
    email, phone = (recipient.address, "") if is_email else ("", recipient.address)
    Contact.objects.update_or_create(
        user=user,
        defaults={
            "email": email,
            "verified_email": email,
            "phone": phone,
            "verified_phone": phone,
            # Its complaint of the last time has withdrawn it.
            "wants_email": True,
            "sms_opt_in": not is_email,
        },
    )
    return user


@contextmanager
def alone(longest: timedelta) -> Iterator[None]:
    """One run at a time, for the accounts are shared; raises CannotStart.

    One that was killed stands in the way for as long as it would have taken.
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
    """Forget what runs have caused, this one and any whose reports came late: it is nobody's.

    Of the numbers, those of this run: they are the same in the next, and must not be skipped.
    """
    labelled = Q(channel=Channel.EMAIL, address__regex=_LABELLED)
    numbers = [each.address for each in chosen if each.channel == Channel.SMS]
    Suppression.objects.filter(labelled | Q(channel=Channel.SMS, address__in=numbers)).delete()


def _entry(recipient: Recipient) -> str:
    return MAILBOX_DOMAIN if recipient.channel == Channel.EMAIL else recipient.address
