"""The form of a person's preferences, and what their settings do to each kind of message."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format, time_format
from django.utils.text import get_text_list
from django.utils.timezone import localtime
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from apps.core.message import decide, kinds, people, quiet_hours, routing
from apps.core.message.kinds import Category, NotificationKind
from apps.core.message.people import Made, Person
from apps.core.models.preferences import ChoiceVia, Setting, validate_quiet
from apps.core.reasons import LOCKED, Reason, Verdict
from apps.core.services import preferences
from apps.core.states import Channel, Priority
from apps.site import history

_OFF = pgettext_lazy("a kind of message is switched", "Off")
_EMAIL = [
    (Setting.AT_ONCE, gettext_lazy("At once")),
    (Setting.DAILY, gettext_lazy("Once a day")),
    (Setting.OFF, _OFF),
]
_SMS = [
    (Setting.AT_ONCE, pgettext_lazy("a kind of message is switched", "On")),
    (Setting.OFF, _OFF),
]
NEVER, EVERY_DAY, BY_WEEKDAY = "never", "every_day", "by_weekday"
_ENDS = {
    "from": pgettext_lazy("a time of day", "From"),
    "to": pgettext_lazy("a time of day", "Until"),
}
#: The hours offered to a person who switches quiet hours on.
EVENING, MORNING = time(21), time(7)


@dataclass(frozen=True)
class KindLine:
    """What happens to one kind of message, in words."""

    label: str
    ways: str
    #: Why the person cannot change it; empty if they can.
    fixed: str


@dataclass(frozen=True)
class Card:
    """One category on the page."""

    category: Category
    fields: list[forms.BoundField]
    #: What was chosen, by which way and when; empty if nothing was.
    chosen: list[str]
    #: What the switches cannot turn off, and why.
    fixed: list[str]
    lines: list[KindLine]


def categories() -> dict[Category, list[NotificationKind]]:
    """Return the kinds of each category in which there is something to choose."""
    found: dict[Category, list[NotificationKind]] = {}
    for kind in kinds.REGISTRY.values():
        if not kind.category.is_fixed:
            found.setdefault(kind.category, []).append(kind)
    return {each: rows for each, rows in found.items() if any(_changeable(rows))}


def _changeable(rows: list[NotificationKind]) -> Iterator[Channel]:
    """Yield the channels that a switch of this category changes for at least one kind."""
    for channel in Channel:
        if any(
            channel in _channels(kind) and channel not in kind.required | kind.forbidden
            for kind in rows
        ):
            yield channel


def _channels(kind: NotificationKind) -> set[Channel]:
    """Return the channels that a kind may take, the one that stands in included."""
    taken = {*routing.CHANNELS[kind.priority], *kind.required}
    if instead := routing.fallback(kind.priority):
        taken.add(instead)
    return taken


class WishesForm(forms.Form):
    """What reaches a person, and when. Only what was changed on this page is saved."""

    quiet = forms.ChoiceField(
        label=gettext_lazy("Quiet hours"),
        choices=[
            (NEVER, pgettext_lazy("quiet hours", "None")),
            (EVERY_DAY, gettext_lazy("Every day")),
            (BY_WEEKDAY, gettext_lazy("By weekday")),
        ],
        widget=forms.RadioSelect,
        show_hidden_initial=True,
    )
    digest_hour = forms.TypedChoiceField(
        label=gettext_lazy("Daily e-mail at"),
        coerce=int,
        choices=lambda: [(hour, time_format(time(hour), "HOUR")) for hour in range(24)],
        show_hidden_initial=True,
    )

    def __init__(self, person: Person, given: Any = None) -> None:
        self.person = person
        super().__init__(given, initial=_initial(person))
        for category, rows in categories().items():
            for channel in _changeable(rows):
                self.fields[_name(category, channel)] = forms.ChoiceField(
                    label=gettext(channel.label),
                    choices=_EMAIL if channel == Channel.EMAIL else _SMS,
                    widget=forms.RadioSelect,
                    show_hidden_initial=True,
                    disabled=is_stopped(person, channel)
                    or all(_lock(kind, person, channel) for kind in rows),
                )
        for day in ("all", *range(7)):
            for end in _ENDS:
                self.fields[f"{day}_{end}"] = forms.TimeField(
                    label=_ENDS[end],
                    required=False,
                    widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
                    show_hidden_initial=True,
                )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        try:
            ranges = self.ranges()
            validate_quiet(ranges)
        except ValidationError as error:
            self.add_error("quiet", error)
        return given

    def ranges(self) -> list[list[Any]]:
        """Return the quiet hours as they are stored."""
        given = self.cleaned_data
        match given.get("quiet"):
            case "every_day":
                days = [(day, "all") for day in range(7)]
            case "by_weekday":
                days = [(day, str(day)) for day in range(7)]
            case _:
                return []
        found = []
        for day, name in days:
            start, end = given.get(f"{name}_from"), given.get(f"{name}_to")
            if (start is None) != (end is None) or (name == "all" and start is None):
                raise ValidationError(gettext("Give both times, from and until."))
            if start is not None and end is not None:
                found.append([day, f"{start:%H:%M}", f"{end:%H:%M}"])
        return found

    def weekdays(self) -> Iterator[tuple[str, forms.BoundField, forms.BoundField]]:
        for day, name in WEEKDAYS.items():
            yield str(name), self[f"{day}_from"], self[f"{day}_to"]

    def changed(self) -> dict[tuple[str, Channel], Setting]:
        """Return the switches that were changed on this page."""
        return {
            (category.name, channel): Setting(self.cleaned_data[name])
            for category, rows in categories().items()
            for channel in _changeable(rows)
            if (name := _name(category, channel)) in self.changed_data
        }

    def has_new_times(self) -> bool:
        return any(
            name in ("quiet", "digest_hour") or name.endswith(("_from", "_to"))
            for name in self.changed_data
        )

    def as_person(self) -> Person:
        """Return the person as they would be with these settings."""
        if not self.is_valid():
            return self.person
        made = {key: Made(setting) for key, setting in self.changed().items()}
        return replace(
            self.person,
            choices={**self.person.choices, **made},
            quiet=quiet_hours.parse(self.ranges()),
            digest_hour=self.cleaned_data["digest_hour"],
        )

    def save(self, user: User, *, via: ChoiceVia, by: User) -> None:
        """Store what was changed; the rest may have been changed elsewhere since, and stays."""
        with transaction.atomic():
            for (category, channel), setting in self.changed().items():
                preferences.choose(user, category, channel, setting, via=via, by=by)
            if self.has_new_times():
                row = preferences.set_times(
                    user, quiet=self.ranges(), digest_hour=self.cleaned_data["digest_hour"]
                )
                history.record(row, by, history.TIMES_CHANGED)


def cards(form: WishesForm, now: datetime) -> list[Card]:
    """Return the cards of the page, with what the form's settings do."""
    person = form.as_person()
    return [
        Card(
            category,
            [form[_name(category, channel)] for channel in _changeable(rows)],
            [text for channel in _changeable(rows) if (text := _chosen(person, category, channel))],
            list(_fixed(person, rows)),
            [_line(kind, person, now) for kind in rows],
        )
        for category, rows in categories().items()
    ]


def is_stopped(person: Person, channel: Channel) -> bool:
    """Return whether the person stopped a whole channel, as by STOP: no switch here undoes it."""
    made = person.choices.get(("", channel))
    return bool(made and made.setting == Setting.OFF and made.via in decide.LEGAL)


def load(user: User) -> Person:
    return people.load([user.pk])[user.pk]


def _name(category: Category, channel: Channel) -> str:
    return f"{category.name}_{channel.value}"


def _initial(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = {
        _name(category, channel): _setting(person, category, channel, rows)
        for category, rows in categories().items()
        for channel in _changeable(rows)
    }
    spans = {each.weekday: (each.start, each.end) for each in reversed(person.quiet)}
    is_same = len(spans) == 7 and len(set(spans.values())) == 1
    found["quiet"] = (EVERY_DAY if is_same else BY_WEEKDAY) if spans else NEVER
    found["all_from"], found["all_to"] = spans[0] if is_same else (EVENING, MORNING)
    for day, (start, end) in spans.items():
        found[f"{day}_from"], found[f"{day}_to"] = start, end
    return found | {"digest_hour": person.digest_hour}


def _setting(
    person: Person, category: Category, channel: Channel, rows: list[NotificationKind]
) -> Setting:
    """Return what the switch shows: the choice, or what happens without one."""
    if is_stopped(person, channel):
        return Setting.OFF
    made = person.choices.get((category.name, channel)) or person.choices.get(("", channel))
    if made and not all(_lock(kind, person, channel) for kind in rows):
        return made.setting
    reachable = replace(person, unreachable={})
    on = [
        decide.switch(kind, reachable, channel).verdict == Verdict.SEND
        for kind in rows
        if channel in _channels(kind)
    ]
    return Setting.AT_ONCE if any(on) else Setting.OFF


def _lock(kind: NotificationKind, person: Person, channel: Channel) -> Reason | None:
    """Return why the person's choice does not count for this kind, or None."""
    reason = decide.switch(kind, replace(person, unreachable={}), channel).reason
    return reason if reason in LOCKED else None


def _chosen(person: Person, category: Category, channel: Channel) -> str:
    made = person.choices.get((category.name, channel)) or person.choices.get(("", channel))
    if not made or made.at is None:
        return ""
    day = localtime(made.at)
    return gettext("{channel}: chosen {where}, {day}").format(
        channel=gettext(channel.label),
        where=gettext(made.via.label),
        day=date_format(day, "DAY_AND_YEAR"),
    )


def _fixed(person: Person, rows: list[NotificationKind]) -> Iterator[str]:
    for channel in Channel:
        locked: dict[Reason, list[str]] = {}
        for kind in rows:
            if channel in _channels(kind) and (lock := _lock(kind, person, channel)):
                locked.setdefault(lock, []).append(gettext(kind.label))
        for lock, labels in locked.items():
            yield f"{gettext(channel.label)}, {', '.join(labels)}: {gettext(lock.label)}."
    kept = [gettext(kind.label) for kind in rows if kind.keeps_one_outside]
    if kept:
        whose = "" if len(kept) == len(rows) else f" ({', '.join(kept)})"
        yield gettext("If you switch everything off here, {reason}.").format(
            reason=gettext(Reason.KEPT_ONE.label) + whose
        )


def _line(kind: NotificationKind, person: Person, now: datetime) -> KindLine:
    plan = decide.plan(kind, person, kind.priority, now)
    ways = [
        _way(kind, person, channel)
        for channel, decision in plan.items()
        if decision.verdict != Verdict.SKIP
    ]
    locks = {
        f"{gettext(channel.label).lower()}: {gettext(lock.label)}"
        for channel in plan
        if (lock := _lock(kind, person, channel))
    }
    locks |= {gettext(d.reason.label) for d in plan.values() if d.reason == Reason.KEPT_ONE}
    said = get_text_list(ways, gettext("and")) or gettext("in the app only")
    return KindLine(gettext(kind.label), said, "; ".join(sorted(locks)))


def _way(kind: NotificationKind, person: Person, channel: Channel) -> str:
    if channel == Channel.SMS:
        return gettext("text message")
    is_daily = kind.priority > Priority.HIGH and decide.is_daily(kind, person, channel)
    return gettext("daily e-mail") if is_daily else gettext("e-mail at once")
