"""What the office's pages about the words of messages show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from itertools import groupby
from typing import Any

from django.conf import settings

from apps.core.message import brand, kinds, variables, wording
from apps.core.message.kinds import NotificationKind
from apps.core.message.links import absolute
from apps.core.message.parts import Part
from apps.core.message.rendering import SAMPLE_SECRET
from apps.core.models import WordingVersion
from apps.core.models.wording import WordingState
from apps.core.services.wording_check import Finding, Report
from apps.core.services.wording_shadow import SAMPLE_NAME, Words

from . import volume
from .differences import Piece, compare
from .wording_form import LABELS

#: The forms of a message whose differences are shown, by the attribute of `Words`.
FORMS = {
    "title": "Title",
    "text": "Text in the app",
    "subject": "Subject",
    "email": "E-mail",
    "sms": "Text message",
}
Changes = list[tuple[str, list[Piece]]]


@dataclass(frozen=True)
class InLanguage:
    code: str
    name: str
    version: WordingVersion | None
    draft: WordingVersion | None


@dataclass(frozen=True)
class Row:
    """A kind on the list, with its state in each language."""

    kind: NotificationKind
    languages: list[InLanguage]


@dataclass(frozen=True)
class Entry:
    """One line of the history."""

    number: int
    label: str
    why: str
    who: str
    at: datetime
    changes: Changes
    can_return: bool


@dataclass(frozen=True)
class Change:
    """What a draft would change: for the sample, for real messages, and in money a month."""

    sample: Changes
    real: list[dict[str, Any]]
    texts: int
    cost_before: Decimal
    cost_after: Decimal


def by_category() -> list[tuple[str, list[Row]]]:
    """Return every kind under the label of its category."""
    states = (WordingState.PUBLISHED, WordingState.DRAFT)
    rows = WordingVersion.objects.filter(state__in=states)
    found = {
        (row.kind, row.language, row.state): row
        for row in rows.select_related("made_by", "published_by")
    }
    return [
        (category, [Row(kind, list(_languages(kind.name, found))) for kind in its])
        for category, its in kinds_by_category()
    ]


def kinds_by_category() -> list[tuple[str, list[NotificationKind]]]:
    every = sorted(kinds.worded().values(), key=lambda kind: kind.category.label)
    return [(label, list(its)) for label, its in groupby(every, lambda kind: kind.category.label)]


def _languages(kind: str, found: Mapping[Any, WordingVersion]) -> Iterator[InLanguage]:
    for code, name in settings.LANGUAGES:
        version = found.get((kind, code, WordingState.PUBLISHED))
        draft = found.get((kind, code, WordingState.DRAFT))
        yield InLanguage(code, name, version, draft)


def variables_of(kind: NotificationKind) -> list[dict[str, str]]:
    """Return the variables that a part of the kind's message may use, with sample values."""
    house = brand.current()
    common = {
        "action_url": "the link of the button",
        "site_url": absolute("/"),
        "brand.name": house.name,
        "brand.phone": house.phone,
        "recipient_name": SAMPLE_NAME,
    }
    return [
        {
            "code": f"{{{{ {name} }}}}",
            "sample": common[name] if name in common else _sample(kind, name),
        }
        for name in variables.of(kind, Part.SMS)
    ]


def _sample(kind: NotificationKind, name: str) -> str:
    if name in kind.secrets:
        return SAMPLE_SECRET
    return str(reduce(getattr, name.split("."), kind.sample))


def labeled(findings: Iterable[Finding]) -> list[tuple[str, Finding]]:
    """Return the findings, each with the label of its part."""
    return [(LABELS[each.part][0] if each.part else "", each) for each in findings]


def change(kind: str, report: Report) -> Change | None:
    """Return what the words of the report would change; None if they cannot be rendered."""
    if not (report.before and report.after and report.shadow):
        return None
    texts = volume.texts_by_kind().get(kind, 0)
    return Change(
        sample=differences(report.before, report.after),
        real=[
            {"at": each.notification.created_at, "changes": differences(each.before, each.after)}
            for each in report.shadow.first
        ],
        texts=texts,
        cost_before=volume.price(texts, report.before.parts),
        cost_after=volume.price(texts, report.after.parts),
    )


def differences(before: Words, after: Words) -> Changes:
    """Return the forms of a message that differ."""
    return _changed(
        {label: getattr(before, name) for name, label in FORMS.items()},
        {label: getattr(after, name) for name, label in FORMS.items()},
    )


def part_differences(before: Mapping[Any, str], after: Mapping[Any, str]) -> Changes:
    """Return the parts whose source differs, by their labels."""
    return _changed(
        {label: before.get(part, "") for part, (label, _) in LABELS.items()},
        {label: after.get(part, "") for part, (label, _) in LABELS.items()},
    )


def history(rows: list[WordingVersion]) -> list[Entry]:
    """Return what was published or discarded, newest first, each with what it changed."""
    return [_entry(row, _before(row, rows[place + 1 :])) for place, row in enumerate(rows)]


def _before(row: WordingVersion, older: list[WordingVersion]) -> Mapping[Any, str]:
    for each in older:
        if each.number:
            return each.parts
    return wording.of_file(row.kind, row.language).parts


def _entry(row: WordingVersion, before: Mapping[Any, str]) -> Entry:
    return _published(row, before) if row.number else _set_aside(row)


def _published(row: WordingVersion, before: Mapping[Any, str]) -> Entry:
    label = f"Version {row.number}"
    if row.state == WordingState.PUBLISHED:
        label += ", in use"
    elif not row.overrides:
        label += ": back to the original"
    return Entry(
        number=row.number,
        label=label,
        why=row.why,
        who=f"Published by {name_of(row.published_by)}",
        at=row.published_at or row.made_at,
        changes=part_differences(before, row.parts),
        can_return=row.state == WordingState.REPLACED,
    )


def _set_aside(row: WordingVersion) -> Entry:
    file = wording.of_file(row.kind, row.language).parts
    return Entry(
        number=0,
        label=f"Draft of {name_of(row.made_by)}, never published",
        why=row.why,
        who=f"Set aside by {name_of(row.withdrawn_by)}",
        at=row.withdrawn_at or row.made_at,
        changes=part_differences(file, {**file, **row.overrides}),
        can_return=False,
    )


def name_of(user: Any) -> str:
    return (user.get_full_name() or user.get_username()) if user else "a person who is erased"


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    return [
        (label, compare(before[label], after[label]))
        for label in before
        if before[label] != after[label]
    ]
