"""The notification center's threads: the messages of one person about one thing, as one row.

The newest message of a thread is its head; the list shows heads. A message that is about nothing
is a thread of its own.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import CharField, Exists, OuterRef, Q
from django.db.models.functions import Cast, Now

from apps.core.message import stored_words
from apps.core.models import Notification
from apps.core.models.notification import NotificationQuerySet
from apps.site import subjects
from apps.site.subjects import Subject

PER_PAGE = 20


@dataclass(frozen=True)
class Cursor:
    """The place of a head in the list: after it the next page begins."""

    at: datetime
    pk: uuid.UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.pk}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Return the cursor of a link, or None if it was altered."""
        at, _, pk = text.partition("~")
        try:
            moment = datetime.fromisoformat(at)
            return cls(moment, uuid.UUID(pk)) if moment.tzinfo else None
        except ValueError:
            return None


@dataclass(frozen=True)
class Thread:
    """A row of the notification center."""

    head: Notification
    count: int
    unread: int
    subject: Subject | None

    @property
    def is_over(self) -> bool:
        return self.head.settled_at is not None

    @property
    def because(self) -> str:
        return stored_words.settlement(self.head.settled_because)

    @property
    def title(self) -> str:
        """Return the head's title, or what became of a matter that it asks about in vain."""
        if self.is_over and self.subject:
            return f"{self.subject.number}: {self.subject.state_label.lower()}"
        return self.head.title


@dataclass
class Page:
    """Some threads, newest first, and the cursors of the pages beside them."""

    threads: list[Thread]
    older: Cursor | None
    #: The time of the newest message of the person; a later one is news.
    newest: datetime | None


def heads(user: User) -> NotificationQuerySet:
    """Return the newest message of each thread, newest first."""
    newer = _siblings(user).filter(
        Q(visible_from__gt=OuterRef("visible_from"))
        | Q(visible_from=OuterRef("visible_from"), pk__gt=OuterRef("pk"))
    )
    mine = Notification.objects.visible_to(user)
    return mine.filter(~Exists(newer)).order_by("-visible_from", "-pk")


def with_unread(user: User, found: NotificationQuerySet) -> NotificationQuerySet:
    """Narrow the heads to threads with an unread message."""
    return found.filter(Q(read_at=None, settled_at=None) | Exists(_siblings(user).unread()))


def to_do(user: User) -> Q:
    """Return the condition for messages about something that waits for this user."""
    return _about_any(lambda adapter: adapter.waiting(user))


def matching(user: User, words: str) -> Q:
    """Return the condition for messages that the search finds: by subject, or by their title."""
    found = _about_any(lambda adapter: adapter.matching(user, words))
    return found | Q(about_type=None, title__icontains=words)


def page(user: User, found: NotificationQuerySet, after: Cursor | None) -> Page:
    """Return the page of these heads that begins after the cursor."""
    if after:
        found = found.filter(
            Q(visible_from__lt=after.at) | Q(visible_from=after.at, pk__lt=after.pk)
        )
    rows = list(found.select_related("about_type")[: PER_PAGE + 1])
    shown = rows[:PER_PAGE]
    last = shown[-1] if len(rows) > PER_PAGE else None
    newest = Notification.objects.visible_to(user).values_list("visible_from", flat=True).first()
    return Page(
        threads=_threads(user, shown),
        older=Cursor(last.visible_from, last.pk) if last else None,
        newest=newest,
    )


def thread(user: User, head: Notification) -> NotificationQuerySet:
    """Return the messages of the thread of this message, newest first."""
    mine = Notification.objects.visible_to(user).order_by("-visible_from", "-pk")
    if head.about_type_id is None:
        return mine.filter(pk=head.pk)
    return mine.filter(about_type=head.about_type_id, about_id=head.about_id)


def _siblings(user: User) -> NotificationQuerySet:
    return Notification.objects.filter(
        recipient=user,
        visible_from__lte=Now(),
        about_type=OuterRef("about_type"),
        about_id=OuterRef("about_id"),
    )


def _about_any(rows_of: Any) -> Q:
    found = Q(pk__in=[])
    for adapter in subjects.adapters():
        # A generic relation stores keys as text.
        keys = rows_of(adapter).order_by().annotate(key=Cast("pk", CharField())).values("key")
        kind = ContentType.objects.get_for_model(adapter.model)
        found |= Q(about_type=kind, about_id__in=keys)
    return found


def _threads(user: User, rows: list[Notification]) -> list[Thread]:
    subject_of, tallies = _subjects(user, rows), _tallies(user, rows)
    shown = []
    for row in rows:
        key = (row.about_type_id, row.about_id)
        count, unread = tallies.get(key, (1, int(row.read_at is None and row.settled_at is None)))
        shown.append(Thread(row, count, unread, subject_of.get(key)))
    return shown


def subject(user: User, row: Notification) -> Subject | None:
    """Return what the message is about, or None if that is nothing that the user may see."""
    return _subjects(user, [row]).get((row.about_type_id, row.about_id))


def _subjects(user: User, rows: Iterable[Notification]) -> Mapping[tuple[int | None, str], Subject]:
    keys: dict[ContentType, list[str]] = {}
    for row in rows:
        if row.about_type:
            keys.setdefault(row.about_type, []).append(row.about_id)
    found: dict[tuple[int | None, str], Subject] = {}
    for kind, ids in keys.items():
        if adapter := subjects.adapter_of(kind.model_class()):
            for key, subject in adapter.describe(user, ids).items():
                found[(kind.pk, key)] = subject
    return found


def _tallies(
    user: User, rows: Iterable[Notification]
) -> dict[tuple[int | None, str], tuple[int, int]]:
    """Return the numbers of messages and of unread ones of each thread about something."""
    about = Q(pk__in=[])
    for row in rows:
        if row.about_type_id:
            about |= Q(about_type=row.about_type_id, about_id=row.about_id)
    tallies: dict[tuple[int | None, str], tuple[int, int]] = {}
    messages = Notification.objects.visible_to(user).filter(about).order_by()
    columns = "about_type", "about_id", "read_at", "settled_at"
    for kind, key, read_at, settled_at in messages.values_list(*columns):
        count, unread = tallies.get((kind, key), (0, 0))
        tallies[(kind, key)] = (count + 1, unread + (read_at is None and settled_at is None))
    return tallies
