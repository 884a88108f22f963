"""Clean-up: delete what is older than its retention."""

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.core import conf
from apps.core.guards import suppressions
from apps.core.models import NotificationDeliveryLog, ProviderEvent, SetAside
from apps.core.states import FINISHED

CHUNK = 500


def cleanup_logs() -> int:
    """Delete log entries and events older than the retention; return the number of entries.

    A delivery that is not finished keeps its log. Rows go in chunks, to keep transactions short.
    """
    old = NotificationDeliveryLog.objects.filter(
        delivery__state__in=FINISHED,
        delivery__finished_at__lt=Now() - conf.log_retention(),
    )
    # The rule of three soft bounces counts events.
    kept = max(conf.log_retention(), suppressions.SOFT_WINDOW)
    _delete(ProviderEvent.objects.filter(received_at__lt=Now() - kept))
    _delete(SetAside.objects.filter(received_at__lt=Now() - conf.log_retention()))
    return _delete(old)


def _delete(rows: QuerySet[Any]) -> int:
    deleted = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[:CHUNK]):
        deleted += rows.model._default_manager.filter(pk__in=ids).delete()[0]
    return deleted
