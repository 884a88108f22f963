"""NotificationService: the one way in to the engine."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.delivery import wakeups
from apps.core.message import kinds, rendering, routing
from apps.core.models import Contact, Delivery, Notification, NotificationDeliveryLog
from apps.core.models.inserts import insert
from apps.core.states import DeliveryState, LogEvent, LogSource, Priority

BATCH = 1000


class NotificationService:
    def notify(
        self,
        kind: str,
        recipients: AbstractBaseUser | Iterable[AbstractBaseUser],
        context: Mapping[str, Any],
        *,
        priority: Priority | None = None,
        about: models.Model | None = None,
        action_url: str = "",
        scheduled_for: datetime | None = None,
        dedup_key: str = "",
    ) -> list[Notification]:
        """Notify each recipient: in the app at once, and by the channels of the priority.

        The rows are written in the caller's transaction; workers are woken after its commit.
        `context` must fit the kind's context type. `action_url` is a path on the site or an
        absolute URL. `scheduled_for` (aware) holds everything back until then. The same `dedup_key`
        for the same person returns the existing notification.

        Return one notification for each recipient. Raise UnknownKind, InvalidContext, and
        ValueError for a naive `scheduled_for`; never for a broker or a provider.
        """
        definition = kinds.get(kind)
        valid = definition.validate(context)
        if scheduled_for and timezone.is_naive(scheduled_for):
            raise ValueError("scheduled_for must carry a time zone")
        words = rendering.in_app(definition, valid, action_url)
        shared: dict[str, Any] = {
            "kind": kind,
            "category": definition.category.name,
            "priority": definition.priority if priority is None else priority,
            "context": valid.model_dump(mode="json"),
            "title": words.title,
            "text": words.text,
            "action_url": action_url,
            "dedup_key": dedup_key,
            **_about(about),
        }
        if scheduled_for:
            shared["visible_from"] = scheduled_for
        people = _by_id(recipients)
        fresh = [Notification(recipient=person, **shared) for person in people.values()]
        contacts = _contacts(people)
        # No savepoint: a failure must undo the whole transaction of the caller.
        with transaction.atomic(savepoint=False):
            written, new = _write(fresh, dedup_key)
            _open_deliveries(new, contacts, scheduled_for)
        return written


def _by_id(recipients: AbstractBaseUser | Iterable[AbstractBaseUser]) -> dict[Any, Any]:
    people = [recipients] if isinstance(recipients, AbstractBaseUser) else recipients
    by_id = {person.pk: person for person in people}
    # Sorted: two callers that insert the same keys must not deadlock.
    return {pk: by_id[pk] for pk in sorted(by_id)}


def _contacts(people: dict[Any, Any]) -> dict[Any, Contact]:
    """Return the people's contacts by person, and read those that the caller has not loaded."""
    loaded = {pk: person._state.fields_cache.get("contact") for pk, person in people.items()}
    contacts = {pk: contact for pk, contact in loaded.items() if contact}
    unknown = list(people.keys() - contacts.keys())
    for start in range(0, len(unknown), BATCH):
        for contact in Contact.objects.filter(user__in=unknown[start : start + BATCH]):
            contact.user = people[contact.user_id]
            contacts[contact.user_id] = contact
    return contacts


def _about(about: models.Model | None) -> dict[str, Any]:
    if about is None:
        return {}
    return {"about_type": ContentType.objects.get_for_model(about), "about_id": str(about.pk)}


def _insert(rows: Sequence[models.Model]) -> None:
    for start in range(0, len(rows), BATCH):
        insert(rows[start : start + BATCH])


def _write(
    fresh: list[Notification], dedup_key: str
) -> tuple[list[Notification], list[Notification]]:
    """Insert the rows. Return the stored ones, of earlier calls too, and which of them are new."""
    if not dedup_key:
        _insert(fresh)
        return fresh, fresh
    Notification.objects.bulk_create(fresh, batch_size=BATCH, ignore_conflicts=True)
    ours = {row.pk: row for row in fresh}
    stored: list[Notification] = []
    for start in range(0, len(fresh), BATCH):
        people = [row.recipient_id for row in fresh[start : start + BATCH]]
        found = Notification.objects.filter(recipient__in=people, dedup_key=dedup_key)
        stored += [ours.get(row.pk, row) for row in found.order_by("recipient_id")]
    return stored, [row for row in stored if row.pk in ours]


def _open_deliveries(
    notifications: list[Notification],
    contacts: dict[Any, Contact],
    scheduled_for: datetime | None,
) -> None:
    deliveries = [
        _delivery(row, route, scheduled_for)
        for row in notifications
        for route in routing.plan(
            Priority(row.priority), contacts.get(row.recipient_id), sms_enabled=settings.SMS_ENABLED
        )
    ]
    _insert(deliveries)
    _insert(
        [
            NotificationDeliveryLog(
                delivery=row,
                attempt=0,
                event=LogEvent.SKIPPED,
                source=LogSource.NOTIFY,
                detail=row.reason,
            )
            for row in deliveries
            if row.state == DeliveryState.SKIPPED
        ]
    )
    to_send = [row for row in deliveries if row.state == DeliveryState.DUE]
    if to_send and not scheduled_for:

        def wake_after_commit() -> None:
            # A named function: Django's handler of robust callbacks fails for a partial.
            wakeups.wake(to_send)

        transaction.on_commit(wake_after_commit, robust=True)


def _delivery(
    notification: Notification, route: routing.Route, scheduled_for: datetime | None
) -> Delivery:
    row = Delivery(notification=notification, channel=route.channel, priority=notification.priority)
    if route.skip:
        row.state = DeliveryState.SKIPPED
        row.reason = route.skip
        row.next_attempt_at = None
        row.finished_at = Now()
    elif scheduled_for:
        row.due_at = row.next_attempt_at = scheduled_for
    return row
