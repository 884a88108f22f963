"""Change the words of a kind of message: save a draft, publish it, go back, discard it.

A kind has one draft in each language. A caller that saves or publishes names the revision that its
user saw, so no editor overwrites another's words unseen.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from apps.core.message import wording
from apps.core.message.parts import Part
from apps.core.message.wording import Wording
from apps.core.models import WordingVersion
from apps.core.models.wording import WordingState

from .wording_check import Report, check

Overrides = Mapping[Part, str]


class Conflict(Exception):
    """Another user saved, published or discarded meanwhile; nothing was changed."""


class InUse(Exception):
    """The words are in effect already; nothing was changed."""


class Unpublishable(Exception):
    """The words have findings that must be fixed first; nothing was published."""

    def __init__(self, report: Report) -> None:
        super().__init__("; ".join(f"{each.part}: {each.message}" for each in report.refusals))
        self.report = report


def draft(kind: str, language: str) -> WordingVersion | None:
    return _rows(kind, language).filter(state=WordingState.DRAFT).first()


def published(kind: str, language: str) -> WordingVersion | None:
    return _rows(kind, language).filter(state=WordingState.PUBLISHED).first()


def history(kind: str, language: str) -> list[WordingVersion]:
    """Return what was published or discarded, newest first."""
    states = (WordingState.PUBLISHED, WordingState.REPLACED, WordingState.WITHDRAWN)
    rows = _rows(kind, language).filter(state__in=states)
    return list(rows.order_by("-made_at", "-pk"))


def revision(draft: WordingVersion | None, published: WordingVersion | None) -> str:
    """Return what names the words that a person saw: it changes with each save and publication."""
    saved = f"{draft.pk}.{draft.made_at.timestamp():.6f}" if draft else ""
    return f"{saved}/{published.pk if published else ''}"


def complete(kind: str, language: str, overrides: Overrides) -> Wording:
    """Return the words of the file with these parts changed."""
    return Wording.of(kind, language, 0, {**wording.of_file(kind, language).parts, **overrides})


def save(
    kind: str, language: str, overrides: Overrides, *, why: str, by: User, seen: str
) -> WordingVersion:
    """Save the draft; raise Conflict if `seen` is not the present revision.

    Another user's draft is not overwritten: it stays in the history.
    """
    try:
        with transaction.atomic():
            before, base = _seen(kind, language, seen)
            if before and before.made_by_id != by.pk:
                _withdraw(before, by)
                before = None
            row = before or WordingVersion(kind=kind, language=language, number=0, made_by=by)
            row.overrides, row.why, row.based_on = dict(overrides), why, base
            row.made_at = timezone.now()
            row.save()
    except IntegrityError as error:
        raise Conflict from error
    return row


def publish(kind: str, language: str, *, by: User, seen: str) -> WordingVersion:
    """Check the draft and let it take effect; raise Unpublishable, or Conflict as `save` does."""
    try:
        with transaction.atomic():
            row, before = _seen(kind, language, seen)
            if row is None or row.based_on_id != (before.pk if before else None):
                raise Conflict
            return _publish(row, before, by)
    except IntegrityError as error:
        # An earlier version was published again at the same moment.
        raise Conflict from error


def publish_again(kind: str, language: str, number: int, *, why: str, by: User) -> WordingVersion:
    """Publish the changes of an earlier version again; 0 goes back to the file.

    Raise InUse, Unpublishable if it does not fit the present code, or WordingVersion.DoesNotExist.
    """
    try:
        with transaction.atomic():
            before = _locked(kind, language, WordingState.PUBLISHED)
            if number == (before.number if before else 0):
                raise InUse
            old = _rows(kind, language).get(number=number) if number else None
            row = WordingVersion(
                kind=kind,
                language=language,
                overrides=old.overrides if old else {},
                based_on=old or before,
                why=why,
                made_by=by,
                made_at=timezone.now(),
            )
            return _publish(row, before, by)
    except IntegrityError as error:
        raise Conflict from error


def discard(kind: str, language: str, *, by: User, seen: str) -> None:
    """Set the draft aside; it stays in the history. Raise Conflict as `save` does."""
    with transaction.atomic():
        row, _ = _seen(kind, language, seen)
        if row is None:
            raise Conflict
        _withdraw(row, by)


def _publish(row: WordingVersion, before: WordingVersion | None, by: User) -> WordingVersion:
    words = complete(row.kind, row.language, row.overrides)
    if row.overrides:
        report = check(words)
        if report.refusals:
            raise Unpublishable(report)
    if before:
        _rows(row.kind, row.language).filter(pk=before.pk).update(state=WordingState.REPLACED)
    # Without a change the file is in use again, and its later versions too.
    row.state = WordingState.PUBLISHED if row.overrides else WordingState.WITHDRAWN
    row.number = _next_number(row)
    row.parts, row.digest = dict(words.parts), words.digest
    row.published_by, row.published_at = by, timezone.now()
    row.save()
    transaction.on_commit(wording.forget)
    return row


def _seen(
    kind: str, language: str, seen: str
) -> tuple[WordingVersion | None, WordingVersion | None]:
    """Lock and return the draft and the published version; raise Conflict if they are others."""
    found = (
        _locked(kind, language, WordingState.DRAFT),
        _locked(kind, language, WordingState.PUBLISHED),
    )
    if revision(*found) != seen:
        raise Conflict
    return found


def _locked(kind: str, language: str, state: WordingState) -> WordingVersion | None:
    return _rows(kind, language).select_for_update(of=("self",)).filter(state=state).first()


def _withdraw(row: WordingVersion, by: User) -> None:
    row.state, row.withdrawn_by, row.withdrawn_at = WordingState.WITHDRAWN, by, timezone.now()
    row.save(update_fields=["state", "withdrawn_by", "withdrawn_at"])


def _next_number(row: WordingVersion) -> int:
    highest: int | None = _rows(row.kind, row.language).aggregate(n=Max("number"))["n"]
    return (highest or 0) + 1


def _rows(kind: str, language: str) -> Any:
    rows = WordingVersion.objects.filter(kind=kind, language=language)
    return rows.select_related("made_by", "published_by", "withdrawn_by")
