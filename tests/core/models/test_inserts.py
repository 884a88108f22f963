from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.models import Delivery, Notification, NotificationDeliveryLog
from apps.core.models.inserts import insert
from apps.core.states import LogEvent, Priority

pytestmark = pytest.mark.sqlite


def message(person: User) -> Notification:
    return Notification(
        recipient=person, kind="x", category="y", priority=Priority.LOW, context={}, title="t"
    )


def test_rows_are_inserted_in_one_statement_and_filled_by_the_database(
    person: Callable[..., User],
) -> None:
    rows = [message(person()), message(person())]
    with CaptureQueriesContext(connection) as captured:
        insert(rows)
    assert len(captured) == 1
    assert set(Notification.objects.all()) == set(rows)
    with CaptureQueriesContext(connection) as captured:
        assert rows[0].created_at <= timezone.now()
    assert len(captured) == 1, "read when it is asked for"


def test_a_value_that_one_row_sets_is_kept_beside_the_default_of_another(
    person: Callable[..., User],
) -> None:
    later = timezone.now() + timedelta(days=1)
    usual, scheduled = message(person()), message(person())
    scheduled.visible_from = later
    insert([usual, scheduled])
    assert Notification.objects.get(pk=scheduled.pk).visible_from == later
    assert Notification.objects.get(pk=usual.pk).visible_from < later


def test_a_row_without_a_time_keeps_none(delivery: Callable[..., Delivery]) -> None:
    row = delivery()
    insert([NotificationDeliveryLog(delivery=row, attempt=1, event=LogEvent.CALLING)])
    assert row.log.get().event == LogEvent.CALLING
    insert([])


def test_an_inserted_row_can_be_saved_again(person: Callable[..., User]) -> None:
    row = message(person())
    insert([row])
    row.title = "another"
    row.save()
    assert Notification.objects.get().title == "another"
