"""NotificationService: the one way in to the engine."""

from collections.abc import Iterable, Mapping
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
from apps.core.models import Delivery, Notification, NotificationDeliveryLog
from apps.core.states import DeliveryState, LogEvent, LogSource, Priority

BATCH = 1000
#: Above so many deliveries the sweep wakes the workers, and the request calls the broker once.
FAN_OUT = 20


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
        fresh = [Notification(recipient_id=pk, **shared) for pk in _ids(recipients)]
        # No savepoint: a failure must undo the whole transaction of the caller.
        with transaction.atomic(savepoint=False):
            Notification.objects.bulk_create(
                fresh, batch_size=BATCH, ignore_conflicts=bool(dedup_key)
            )
            written = _written(fresh, dedup_key)
            _open_deliveries({row.pk for row in fresh}, written, scheduled_for)
        return written


def _ids(recipients: AbstractBaseUser | Iterable[AbstractBaseUser]) -> list[Any]:
    people = [recipients] if isinstance(recipients, AbstractBaseUser) else recipients
    # Sorted: two callers that insert the same keys must not deadlock.
    return sorted({person.pk for person in people})


def _about(about: models.Model | None) -> dict[str, Any]:
    if about is None:
        return {}
    return {"about_type": ContentType.objects.get_for_model(about), "about_id": str(about.pk)}


def _written(fresh: list[Notification], dedup_key: str) -> list[Notification]:
    """Return the stored rows with their recipients' contacts: ours, or those of the same key."""
    rows: list[Notification] = []
    for start in range(0, len(fresh), BATCH):
        batch = fresh[start : start + BATCH]
        found = Notification.objects.select_related("recipient__contact").order_by("recipient_id")
        if dedup_key:
            people = [row.recipient_id for row in batch]
            rows += found.filter(recipient_id__in=people, dedup_key=dedup_key)
        else:
            rows += found.filter(pk__in=[row.pk for row in batch])
    return rows


def _open_deliveries(
    fresh: set[Any], written: list[Notification], scheduled_for: datetime | None
) -> None:
    deliveries = [
        _delivery(row, route, scheduled_for)
        for row in written
        if row.pk in fresh
        for route in routing.plan(
            Priority(row.priority),
            getattr(row.recipient, "contact", None),
            sms_enabled=settings.SMS_ENABLED,
        )
    ]
    to_send = [row for row in deliveries if row.state == DeliveryState.DUE]
    wake_each = not scheduled_for and len(to_send) <= FAN_OUT
    if wake_each:
        for row in to_send:
            row.enqueued_at = Now()
    Delivery.objects.bulk_create(deliveries, batch_size=BATCH)
    NotificationDeliveryLog.objects.bulk_create(
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
        ],
        batch_size=BATCH,
    )
    if wake_each and to_send:

        def wake_after_commit() -> None:
            # A named function: Django's handler of robust callbacks fails for a partial.
            wakeups.wake(to_send)

        transaction.on_commit(wake_after_commit, robust=True)
    elif to_send and not scheduled_for:
        transaction.on_commit(wakeups.wake_dispatch, robust=True)


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
