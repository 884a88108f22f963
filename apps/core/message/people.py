"""What is known of people: how they are reached, and what they and their companies decided."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import QuerySet

from apps.core.models import Choice, Contact, Preferences, Rule
from apps.core.models.preferences import ChoiceVia, RuleSetting, Setting
from apps.core.reasons import Reason
from apps.core.states import Channel

from . import quiet_hours
from .quiet_hours import QuietRange

#: For each person's id, the keys of the groups (companies) whose rules bind them.
GroupResolver = Callable[[Collection[Any]], Mapping[Any, Collection[str]]]
#: People of one statement; SQLite takes 32,766 parameters.
CHUNK = 10_000
#: If two companies disagree, the first of these counts: a message too many is the lesser harm.
PRECEDENCE = (
    RuleSetting.FORCED_ON,
    RuleSetting.FORCED_OFF,
    RuleSetting.DEFAULT_ON,
    RuleSetting.DEFAULT_OFF,
)

_resolvers: list[GroupResolver] = []


@dataclass(frozen=True)
class Made:
    """A present choice: what, by which way, by whom and when."""

    setting: Setting
    via: ChoiceVia = ChoiceVia.PAGE
    by_id: Any = None
    at: datetime | None = None


@dataclass(frozen=True)
class Ruled:
    """A company's rule: what, by whom and when."""

    rule: RuleSetting
    by_id: Any = None
    at: datetime | None = None


@dataclass(frozen=True)
class Person:
    """All that `decide` needs to know of a person. The keys "" mean every category."""

    id: Any
    zone: ZoneInfo
    #: The channels on which they cannot be reached, and why.
    unreachable: Mapping[Channel, Reason] = field(default_factory=dict)
    choices: Mapping[tuple[str, Channel], Made] = field(default_factory=dict)
    rules: Mapping[tuple[str, Channel], Ruled] = field(default_factory=dict)
    quiet: tuple[QuietRange, ...] = ()
    #: The hours of the house in which no texts are sent.
    text_quiet: tuple[QuietRange, ...] = ()
    paused_until: datetime | None = None
    deputy_id: Any = None
    digest_hour: int = 9
    #: Empty: none was chosen.
    language: str = ""


def register_groups(resolver: GroupResolver) -> None:
    """Add a function that says to which groups people belong, for any number of them at once."""
    if resolver not in _resolvers:
        _resolvers.append(resolver)


def groups(ids: Collection[Any]) -> dict[Any, tuple[str, ...]]:
    """Return the keys of these people's groups. One statement for each resolver."""
    found: dict[Any, tuple[str, ...]] = {}
    for resolve in _resolvers:
        for pk, keys in resolve(ids).items():
            found[pk] = (*found.get(pk, ()), *keys)
    return found


def load(ids: Iterable[Any]) -> dict[Any, Person]:
    """Return these people by id. One statement, and one each for choices and for times, if any.

    If companies have rules, one more for the rules, and those of the resolvers.
    """
    wanted = list(dict.fromkeys(ids))
    found: dict[Any, Person] = {}
    for start in range(0, len(wanted), CHUNK):
        found |= _load(wanted[start : start + CHUNK])
    return found


def _load(ids: Sequence[Any]) -> dict[Any, Person]:
    rows = _rows(ids)
    preferences = {
        row.user_id: row
        for row in _if_any(Preferences.objects.all(), [row.id for row in rows if row.has_wishes])
    }
    choices = _choices([row.id for row in rows if row.has_chosen])
    rules = _rules([row.id for row in rows if row.has_rules])
    text_quiet = _text_quiet()
    return {
        row.id: _person(
            row, preferences.get(row.id), choices.get(row.id, {}), rules.get(row.id, {}), text_quiet
        )
        for row in rows
    }


class _Row(NamedTuple):
    """A person and their contact, as `_rows` reads them."""

    id: Any
    is_active: bool
    has_contact: bool
    email: str
    verified_email: str
    wants_email: bool
    phone: str
    verified_phone: str
    sms_opt_in: bool
    time_zone: str
    language: str | None
    has_wishes: bool
    has_chosen: bool
    has_rules: bool

    @property
    def contact(self) -> Contact | None:
        if not self.has_contact:
            return None
        return Contact(
            user=get_user_model()(pk=self.id, is_active=bool(self.is_active)),
            email=self.email,
            verified_email=self.verified_email,
            wants_email=bool(self.wants_email),
            phone=self.phone,
            verified_phone=self.verified_phone,
            sms_opt_in=bool(self.sms_opt_in),
            time_zone=self.time_zone,
        )


def _rows(ids: Sequence[Any]) -> list[_Row]:
    if not ids:
        return []
    # By hand, since Django takes four times as long to build it as PostgreSQL to answer it, and
    # `notify()` waits for it.
    with connection.cursor() as cursor:
        cursor.execute(_statement(len(ids)), list(ids))
        return [_Row(*row) for row in cursor.fetchall()]


def _statement(count: int) -> str:
    user = get_user_model()._meta
    pk = f"u.{user.pk.column}"
    preferences, choice, rule, contact = (
        model._meta.db_table for model in (Preferences, Choice, Rule, Contact)
    )
    return (
        f"SELECT {pk}, u.is_active, c.id IS NOT NULL, c.email, c.verified_email, c.wants_email,"  # noqa: S608
        " c.phone, c.verified_phone, c.sms_opt_in, c.time_zone, c.language,"
        f" EXISTS (SELECT 1 FROM {preferences} WHERE user_id = {pk}),"
        f" EXISTS (SELECT 1 FROM {choice} WHERE user_id = {pk} AND replaced_at IS NULL),"
        f" EXISTS (SELECT 1 FROM {rule})"
        f" FROM {user.db_table} u LEFT JOIN {contact} c ON c.user_id = {pk}"
        f" WHERE {pk} IN ({', '.join(['%s'] * count)})"
    )


def _if_any(rows: QuerySet[Any], ids: Collection[Any]) -> Iterable[Any]:
    return rows.filter(user__in=ids) if ids else ()


def _person(
    row: _Row,
    preferences: Preferences | None,
    choices: Mapping[tuple[str, Channel], Made],
    rules: Mapping[tuple[str, Channel], Ruled],
    text_quiet: tuple[QuietRange, ...],
) -> Person:
    contact = row.contact
    reasons = {channel: why_not(channel, contact) for channel in Channel}
    wishes: dict[str, Any] = {"digest_hour": settings.DIGEST_HOUR}
    if preferences:
        wishes = {
            "quiet": quiet_hours.parse(preferences.quiet),
            "paused_until": preferences.paused_until,
            "deputy_id": preferences.deputy_id,
            "digest_hour": preferences.digest_hour,
        }
    return Person(
        id=row.id,
        zone=_zone(contact),
        unreachable={channel: reason for channel, reason in reasons.items() if reason},
        choices=choices,
        rules=rules,
        text_quiet=text_quiet,
        language=row.language or "",
        **wishes,
    )


def _text_quiet() -> tuple[QuietRange, ...]:
    """Return the hours outside those in which the house sends texts."""
    if settings.SMS_HOURS is None:
        return ()
    begin, end = settings.SMS_HOURS
    return quiet_hours.every_day(end, begin)


def why_not(channel: Channel, contact: Contact | None) -> Reason | None:
    """Return why nothing can be sent to this person on the channel, or None."""
    if channel == Channel.SMS and not settings.SMS_ENABLED:
        return Reason.SMS_DISABLED
    return contact.why_not(channel) if contact else Reason.NO_CONTACT


def why_not_direct(channel: Channel, user: Any) -> Reason | None:
    """Return why a message about one address cannot be sent to it, or None."""
    if channel == Channel.SMS and not settings.SMS_ENABLED:
        return Reason.SMS_DISABLED
    return None if user.is_active else Reason.DEACTIVATED


def _zone(contact: Contact | None) -> ZoneInfo:
    try:
        return ZoneInfo(contact.time_zone if contact else settings.TIME_ZONE)
    except (ValueError, ZoneInfoNotFoundError):
        # A zone that this machine's tables no longer have.
        return ZoneInfo(settings.TIME_ZONE)


def _choices(ids: Collection[Any]) -> dict[Any, dict[tuple[str, Channel], Made]]:
    found: dict[Any, dict[tuple[str, Channel], Made]] = defaultdict(dict)
    if ids:
        for row in Choice.objects.present().filter(user__in=ids):
            made = Made(Setting(row.setting), ChoiceVia(row.via), row.by_id, row.at)
            found[row.user_id][row.category, Channel(row.channel)] = made
    return found


def _rules(ids: Collection[Any]) -> dict[Any, dict[tuple[str, Channel], Ruled]]:
    found: dict[Any, dict[tuple[str, Channel], Ruled]] = defaultdict(dict)
    if not ids or not _resolvers:
        return found
    by_group: dict[str, list[Rule]] = defaultdict(list)
    for row in Rule.objects.all():
        by_group[row.group].append(row)
    for resolve in _resolvers:
        for pk, groups in resolve(ids).items():
            rows = [row for group in groups for row in by_group.get(group, [])]
            for row in sorted(rows, key=lambda row: PRECEDENCE.index(RuleSetting(row.rule))):
                ruled = Ruled(RuleSetting(row.rule), row.by_id, row.at)
                found[pk].setdefault((row.category, Channel(row.channel)), ruled)
    return found
