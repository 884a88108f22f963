"""Who changed a person's settings, and when: their choices, and the log of what is no choice."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q
from django.utils.translation import gettext, gettext_noop

from apps.core.message import kinds
from apps.core.models import Choice, Contact, Preferences
from apps.core.states import Channel

#: What the log says. It is stored in English, and shown in the reader's language.
PAUSED = gettext_noop("Paused")
PAUSE_ENDED = gettext_noop("Ended the pause")
TIMES_CHANGED = gettext_noop("Changed the quiet hours or the hour of the daily e-mail")
LANGUAGE_CHANGED = gettext_noop("Changed the language")
EMAIL_CHANGED = gettext_noop("Changed the e-mail address")
PHONE_CHANGED = gettext_noop("Changed the mobile number")
EMAIL_CONFIRMED = gettext_noop("Confirmed the e-mail address")
PHONE_CONFIRMED = gettext_noop("Confirmed the mobile number")
CONFIRMED = {Channel.EMAIL: EMAIL_CONFIRMED, Channel.SMS: PHONE_CONFIRMED}
_EVERYTHING = gettext_noop("Everything")


@dataclass(frozen=True)
class Change:
    at: datetime
    what: str
    #: By which way, in words; empty if the person's own hand on their page is meant.
    via: str
    by: User | None


def record(row: Preferences | Contact, by: User, what: str) -> None:
    """Record that this user changed a person's times, pause, zone or addresses."""
    LogEntry.objects.log_actions(by.pk, [row], CHANGE, what, single_object=True)


def of(user: User, most: int) -> list[Change]:
    """Return the last changes of a person's settings, newest first, those replaced included."""
    choices = Choice.objects.filter(user=user).select_related("by")[:most]
    kept = Q(pk__in=[])
    for model in (Preferences, Contact):
        rows = model.objects.filter(user=user).values_list("pk", flat=True)
        kind = ContentType.objects.get_for_model(model)
        kept |= Q(content_type=kind, object_id__in=list(map(str, rows)))
    entries = LogEntry.objects.filter(kept).order_by("-action_time")
    found = [_of_choice(each) for each in choices]
    found += [
        Change(each.action_time, gettext(each.get_change_message()), "", each.user)
        for each in entries.select_related("user")[:most]
    ]
    return sorted(found, key=lambda change: change.at, reverse=True)[:most]


def _of_choice(choice: Choice) -> Change:
    what = gettext(kinds.category_label(choice.category) if choice.category else _EVERYTHING)
    channel = gettext(choice.get_channel_display())
    setting = gettext(choice.get_setting_display())
    text = f"{what}, {channel.lower()}: {setting.lower()}"
    return Change(choice.at, text, gettext(choice.get_via_display()), choice.by)
