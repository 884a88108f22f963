from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.core.delivery import cleanup
from apps.core.delivery.transitions import record
from apps.core.models import Delivery, NotificationDeliveryLog, ProviderEvent
from apps.core.states import FINISHED, DeliveryState, LogEvent

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]


def ago(**time: float) -> Any:
    return timezone.now() - timedelta(**time)


def test_clean_up_takes_the_old_logs_of_finished_deliveries_only(
    delivery: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "CHUNK", 2)
    settings.DELIVERY_LOG_RETENTION_DAYS = 30
    old = {s: delivery(state=s, finished_at=ago(days=31)) for s in sorted(FINISHED)}
    open_rows = [delivery(state=s, created_at=ago(days=400)) for s in set(DeliveryState) - FINISHED]
    young = delivery(state=DeliveryState.ACCEPTED, finished_at=ago(days=29))
    for row in [*old.values(), *open_rows, young]:
        record(row, LogEvent.CALLING)
    assert cleanup.cleanup_logs() == len(FINISHED)
    left = set(NotificationDeliveryLog.objects.values_list("delivery_id", flat=True))
    assert left == {row.pk for row in [*open_rows, young]}
    assert Delivery.objects.count() == len(old) + len(open_rows) + 1


def test_events_outlive_a_short_retention_for_the_rule_of_soft_bounces(
    db: None, settings: Any
) -> None:
    settings.DELIVERY_LOG_RETENTION_DAYS = 7
    for days in (8, 31):
        event = ProviderEvent.objects.create(
            fingerprint=str(days), kind="bounced", provider="ses", occurred_at=ago(days=days)
        )
        ProviderEvent.objects.filter(pk=event.pk).update(received_at=ago(days=days))
    cleanup.cleanup_logs()
    assert ProviderEvent.objects.get().fingerprint == "8"
