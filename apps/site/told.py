"""Who was told about a row, and what became of each message: for the office."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q

from apps.core.audit import story
from apps.core.audit.story import Way
from apps.core.message import rendering
from apps.core.models import Notification


@dataclass(frozen=True)
class Told:
    """One message to one person."""

    notification: Notification
    name: str
    ways: list[Way]

    @property
    def has_failed(self) -> bool:
        """Return whether a way failed, and no other has brought the message or still may."""
        return any(way.has_failed for way in self.ways) and all(way.has_ended for way in self.ways)


def about(rows: Iterable[Model], notification: str = "") -> Q:
    """Return the condition that a notification is about one of these rows; none fits no rows.

    `notification` is the path to it, as in `notification__`.
    """
    found = Q(pk__in=[])
    for row in rows:
        kind = ContentType.objects.get_for_model(row)
        fields = {"about_type": kind, "about_id": str(row.pk)}
        found |= Q(**{f"{notification}{field}": value for field, value in fields.items()})
    return found


def of(rows: Iterable[Model]) -> list[Told]:
    """Return the messages about these rows, oldest first, those that are still planned included."""
    found = Notification.objects.filter(about(rows)).select_related("recipient")
    return [tell(row) for row in story.with_story(found).order_by("created_at", "pk")]


def tell(row: Notification) -> Told:
    """Return one notification's story, of a row read by `story.with_story`."""
    return Told(row, rendering.name_of(row.recipient), story.of(row))
