"""Render a delivery: its own notification, or all those that it carries.

The items of a digest are things in their present state, not events: "R-1042: requested, approved;
now in progress" is one line.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, override

from apps.core.models import Delivery, Notification
from apps.core.reasons import Reason, Verdict
from apps.core.states import Channel, DeliveryState, Priority

from . import decide, kinds, layout, people, rendering, things, unsubscribe
from .brand import Brand
from .links import absolute
from .people import Person
from .rendering import EmailContent, Message, SMSContent
from .things import Thing

#: Lines of a digest; the others are counted.
LONGEST = 20


@dataclass(frozen=True)
class DigestLine:
    """One thing, or one notification that is about nothing."""

    name: str
    #: What happened, oldest first.
    events: tuple[str, ...]
    #: Its present state; empty if it is not known.
    state: str
    url: str
    category: str
    #: What orders lines: most urgent first, then oldest.
    rank: tuple[Any, ...]


@dataclass(frozen=True)
class Group:
    category: str
    lines: tuple[DigestLine, ...]


def email(delivery: Delivery) -> EmailContent:
    """Return the delivery's e-mail; an ordinary one if one notification is left."""
    carried = items(delivery)
    found = rendering.email(carried[0]) if len(carried) == 1 else _digest_email(delivery, carried)
    return replace(found, headers={**found.headers, **unsubscribe.headers(carried)})


def sms(delivery: Delivery) -> SMSContent:
    """Return the delivery's text message."""
    carried = items(delivery)
    if len(carried) == 1:
        return rendering.sms(carried[0])
    return rendering.as_sms(_message(delivery, _summary(delivery, carried)))


def sample_body(language: str, brand: Brand) -> tuple[SafeString, str]:
    """Return the list in a digest's preview, in HTML and as text: the samples of three kinds."""
    chosen = [kind for kind in kinds.REGISTRY.values() if kind.event and not kind.secrets][:3]
    with override(language):
        samples = [
            DigestLine(
                rendering.in_app(
                    kind, kind.sample, "/", rendering.words(kind.name, language)
                ).title,
                (gettext(kind.happening),),
                "",
                absolute("/"),
                gettext(kind.category.label),
                (place,),
            )
            for place, kind in enumerate(chosen)
        ]
        values = vars(Summary(group(samples)[0], len(samples), 0))
        return layout.digest_html(values, brand), layout.digest_text(values)


def items(delivery: Delivery) -> list[Notification]:
    """Return the notifications that the delivery carries and that still matter, at least one."""
    if delivery.digest_id is None:
        return [delivery.notification]
    rows = Delivery.objects.filter(
        Q(pk=delivery.pk) | Q(state=DeliveryState.FOLDED), digest=delivery.digest_id
    )
    carried = [
        row.notification
        for row in rows.select_related("notification__recipient").order_by("priority", "created_at")
    ]
    person = people.load([delivery.notification.recipient_id]).get(
        delivery.notification.recipient_id
    )
    fresh = [each for each in carried if person and _matters(each, person, delivery)]
    return fresh or [delivery.notification]


def _matters(notification: Notification, person: Person, delivery: Delivery) -> bool:
    kind, now = kinds.REGISTRY.get(notification.kind), timezone.now()
    if kind is None:
        # Its kind is of an earlier version of the code: what it meant is not known.
        return False
    if decide.stale(kind, notification, now, in_digest=True):
        return False
    channel, priority = Channel(delivery.channel), Priority(notification.priority)
    decision = decide.on_channel(kind, person, channel, now, priority=priority)
    return decision.verdict != Verdict.SKIP


def group(lines: Collection[DigestLine]) -> tuple[list[Group], int]:
    """Return the first LONGEST lines by category, most urgent first, and the number of others."""
    ordered = sorted(lines, key=lambda line: line.rank)
    by_category: dict[str, list[DigestLine]] = defaultdict(list)
    for line in ordered[:LONGEST]:
        by_category[line.category].append(line)
    groups = [Group(category, tuple(its)) for category, its in by_category.items()]
    return groups, max(0, len(ordered) - LONGEST)


def lines(notifications: Sequence[Notification]) -> list[DigestLine]:
    """Return one line for each thing that the notifications are about."""
    by_thing: dict[tuple[Any, str], list[Notification]] = defaultdict(list)
    for each in sorted(notifications, key=lambda each: each.visible_from):
        is_about = each.about_type_id is not None and each.about_id
        by_thing[(each.about_type_id, each.about_id) if is_about else (None, str(each.pk))].append(
            each
        )
    known = _things(by_thing)
    return [_line(its, known.get(key)) for key, its in by_thing.items()]


def _things(keys: Iterable[tuple[Any, str]]) -> dict[tuple[Any, str], Thing]:
    ids: dict[Any, list[str]] = defaultdict(list)
    for type_id, pk in keys:
        if type_id is not None:
            ids[type_id].append(pk)
    found = {}
    for type_id, wanted in ids.items():
        model = ContentType.objects.get_for_id(type_id)
        for pk, thing in things.describe(f"{model.app_label}.{model.model}", wanted).items():
            found[type_id, pk] = thing
    return found


def _line(its: Sequence[Notification], thing: Thing | None) -> DigestLine:
    first, latest = its[0], its[-1]
    rank = (min(each.priority for each in its), first.visible_from, str(first.pk))
    happened = tuple(dict.fromkeys(gettext(kinds.get(each.kind).happening) for each in its))
    category = gettext(kinds.get(latest.kind).category.label)
    if thing:
        url = absolute(thing.url)
        return DigestLine(thing.name, happened, thing.state, url, category, rank)
    events = happened if len(its) > 1 else ()
    return DigestLine(latest.title, events, "", absolute(latest.action_url), category, rank)


@dataclass(frozen=True)
class Summary:
    """What a digest says."""

    groups: list[Group]
    count: int
    #: Lines beyond the last one that is shown.
    more: int


def _summary(delivery: Delivery, carried: Sequence[Notification]) -> Summary:
    with override(rendering.language_of(delivery.notification.recipient)):
        all_lines = lines(carried)
    groups, more = group(all_lines)
    return Summary(groups, len(all_lines), more)


def _digest_email(delivery: Delivery, carried: Sequence[Notification]) -> EmailContent:
    summary = _summary(delivery, carried)
    message = _message(delivery, summary)
    with override(message.language):
        body = layout.digest_html(vars(summary), message.brand), layout.digest_text(vars(summary))
    return rendering.as_email(message, unsubscribe.footer(carried), body=body)


def _message(delivery: Delivery, summary: Summary) -> Message:
    """Return the digest in the newest words: it is about the present, as its lines are."""
    recipient = delivery.notification.recipient
    held_for = delivery.digest.held_for if delivery.digest else ""
    values = {
        "first": {"name": summary.groups[0].lines[0].name},
        "count": summary.count,
        "others": summary.count - 1,
        "is_daily": held_for == Reason.DIGEST,
        "is_after_pause": held_for == Reason.PAUSED,
        "recipient_name": rendering.name_of(recipient),
    }
    words = rendering.words(kinds.FOLDED.name, rendering.language_of(recipient))
    brand = rendering.brand_of(delivery.notification)
    return Message(words, values, resolve_url(settings.INBOX_URL), brand)
