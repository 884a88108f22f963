"""NotificationService: the one way in to the engine."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.utils import timezone

from apps.core.delivery import opening, settling, wakeups
from apps.core.message import kinds, people, rendering
from apps.core.message.people import Person
from apps.core.models import Notification
from apps.core.models.inserts import insert
from apps.core.states import DeliveryState, Priority

BATCH = 1000
#: What is scheduled for so soon, as while an undo is offered, does not wait for the next sweep.
SOON = timedelta(seconds=30)


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
        shared: dict[str, Any] = {
            "kind": kind,
            "category": definition.category.name,
            "priority": definition.priority if priority is None else priority,
            "context": valid.model_dump(mode="json"),
            "action_url": action_url,
            "dedup_key": dedup_key,
            **_about(about),
        }
        if scheduled_for:
            shared["visible_from"] = scheduled_for
        now = timezone.now()
        # No savepoint: a failure must undo the whole transaction of the caller.
        with transaction.atomic(savepoint=False):
            everyone = people.load(_ids(recipients))
            everyone |= people.load(opening.deputies(definition, shared["priority"], everyone, now))
            # Sorted: two callers that insert the same keys must not deadlock.
            worded = _worded(definition, valid, action_url, everyone.values())
            fresh = [
                Notification(recipient_id=pk, **shared, **worded[everyone[pk].language])
                for pk in sorted(everyone)
            ]
            written = _write(fresh, dedup_key)
            ours = {row.pk for row in fresh}
            new = [row for row in written if row.pk in ours]
            _open_deliveries(new, everyone, now, scheduled_for)
        return written

    def settle(self, about: models.Model, *, kinds: Iterable[str] = (), because: str) -> int:
        """Say that a matter is settled: what is about it and has not left yet will not leave.

        `kinds` narrows this to some kinds. `because` is for people: "approved by Luis, 9:02". Runs
        in the caller's transaction. The in-app messages are marked as settled for every recipient.
        A delivery that a worker has is not touched: its worker asks once more before the call.

        Return how many deliveries will not leave.
        """
        with transaction.atomic(savepoint=False):
            return settling.settle(about, kinds=tuple(kinds), because=because)


def _ids(recipients: AbstractBaseUser | Iterable[AbstractBaseUser]) -> list[Any]:
    everyone = [recipients] if isinstance(recipients, AbstractBaseUser) else recipients
    return [person.pk for person in everyone]


def _worded(
    kind: kinds.NotificationKind,
    context: kinds.Context,
    action_url: str,
    everyone: Iterable[Person],
) -> dict[str, dict[str, str]]:
    """Return title, text and the digest of the words, once for each language of the recipients."""
    found = {}
    for language in {person.language for person in everyone}:
        words = rendering.words(kind.name, language)
        shown = rendering.in_app(kind, context, action_url, words)
        found[language] = {"title": shown.title, "text": shown.text, "wording": words.digest}
    return found


def _about(about: models.Model | None) -> dict[str, Any]:
    if about is None:
        return {}
    return {"about_type": ContentType.objects.get_for_model(about), "about_id": str(about.pk)}


def _insert(rows: Sequence[models.Model]) -> None:
    for start in range(0, len(rows), BATCH):
        insert(rows[start : start + BATCH])


def _write(fresh: list[Notification], dedup_key: str) -> list[Notification]:
    """Insert the rows. Return the stored ones: ours, or those of the same key."""
    if not dedup_key:
        _insert(fresh)
        return fresh
    Notification.objects.bulk_create(fresh, batch_size=BATCH, ignore_conflicts=True)
    rows: list[Notification] = []
    for start in range(0, len(fresh), BATCH):
        ids = [row.recipient_id for row in fresh[start : start + BATCH]]
        found = Notification.objects.select_related("recipient").order_by("recipient_id")
        rows += found.filter(recipient_id__in=ids, dedup_key=dedup_key)
    return rows


def _open_deliveries(
    written: list[Notification],
    everyone: dict[Any, Person],
    now: datetime,
    scheduled_for: datetime | None,
) -> None:
    deliveries = [
        delivery
        for row in written
        for delivery in opening.deliveries(row, everyone[row.recipient_id], now, scheduled_for)
    ]
    _insert(deliveries)
    _insert(opening.entries(deliveries))
    to_send = [row for row in deliveries if row.state == DeliveryState.DUE]
    wait = scheduled_for - now if scheduled_for else timedelta(0)
    if not to_send or wait > SOON:
        return

    def wake_after_commit() -> None:
        # A named function: Django's handler of robust callbacks fails for a partial.
        if wait > timedelta(0):
            wakeups.wake_dispatch(after=wait)
        else:
            wakeups.wake(to_send)

    transaction.on_commit(wake_after_commit, robust=True)
