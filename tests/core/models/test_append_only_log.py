"""PostgreSQL refuses every change of the delivery log, whatever code asks."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.core.delivery import cleanup
from apps.core.models import Delivery, Notification, NotificationDeliveryLog
from apps.core.models.delivery_log import allow_deletion
from apps.core.states import DeliveryState, LogEvent
from apps.site import personal_data

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def logged(delivery):
    """Return a delivery that has finished long ago, and its log."""
    long_ago = timezone.now() - timedelta(days=500)
    row = delivery(state=DeliveryState.DELIVERED, attempts=1, finished_at=long_ago)
    row.log.create(attempt=1, event=LogEvent.ACCEPTED, at=long_ago, detail="250 Ok")
    Notification.objects.update(created_at=long_ago)
    return row


def entries() -> int:
    return NotificationDeliveryLog.objects.count()


@pytest.mark.parametrize(
    "change", [{"event": LogEvent.BOUNCED}, {"at": timezone.now()}, {"detail": ""}, {"attempt": 2}]
)
def test_an_update_is_refused(logged, change):
    with pytest.raises(IntegrityError, match="append-only: UPDATE"):
        logged.log.update(**change)


@pytest.mark.parametrize("change", [{"event": LogEvent.BOUNCED}, {"detail": "other words"}])
def test_even_the_clean_up_may_only_blank_the_words(logged, change):
    with transaction.atomic():
        allow_deletion()
        with pytest.raises(IntegrityError, match="append-only: UPDATE"), transaction.atomic():
            logged.log.update(**change)


def test_a_deletion_is_refused(logged):
    for delete in (logged.log.all().delete, logged.delete, logged.notification.delete):
        with pytest.raises(IntegrityError, match="append-only: DELETE"):
            delete()
    assert (entries(), Delivery.objects.count()) == (1, 1)


def test_a_user_with_a_log_cannot_be_deleted_but_erased(logged):
    user = User.objects.get()
    with pytest.raises(IntegrityError, match="append-only"):
        user.delete()
    personal_data.erase(user)
    assert NotificationDeliveryLog.objects.get().detail == ""


def test_the_clean_up_deletes_logs_and_notifications(logged):
    assert cleanup.clean_up()["notifications"] == 1
    assert entries() == 0


def test_the_clean_up_deletes_old_logs_alone(logged, settings):
    settings.NOTIFICATION_RETENTION_DAYS = 3000
    assert cleanup.clean_up()["entries"] == 1
    assert Delivery.objects.count() == 1


def test_the_permission_ends_with_its_transaction(logged):
    with transaction.atomic():
        allow_deletion()
    with pytest.raises(IntegrityError, match="append-only"):
        logged.log.all().delete()
