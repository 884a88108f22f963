"""The log of each delivery."""

from django.db import connection, models
from django.db.models.functions import Now

from ..states import ENDS_OF_ATTEMPTS, RESULTS, LogEvent, LogSource
from .delivery import Delivery


def allow_deletion() -> None:
    """Let the present transaction delete log entries, or blank their words.

    A trigger of PostgreSQL refuses both otherwise, and every other change always: migration 0070.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL rs.cleanup = 'on'")


class NotificationDeliveryLog(models.Model):
    """One entry of a delivery's log. Entries are only added, and deleted after the retention."""

    # An index below begins with it.
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="log", db_index=False
    )
    at = models.DateTimeField(db_default=Now(), editable=False)
    attempt = models.PositiveIntegerField()
    event = models.CharField(max_length=16, choices=LogEvent.choices)
    source = models.CharField(
        max_length=8, choices=LogSource.choices, default=LogSource.WORKER, db_default="worker"
    )
    provider = models.CharField(max_length=32, blank=True)
    provider_message_id = models.CharField(max_length=128, blank=True)
    code = models.CharField(max_length=64, blank=True)
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["at", "id"]
        indexes = [
            models.Index(fields=["delivery", "attempt"], name="delivery_log_attempt"),
            models.Index(
                fields=["at"],
                condition=models.Q(event__in=(LogEvent.CALLING, *ENDS_OF_ATTEMPTS)),
                name="delivery_log_calls",
            ),
            # What the figures of a minute count besides.
            models.Index(
                fields=["at"],
                condition=models.Q(event__in=RESULTS),
                name="delivery_log_results",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(event__in=LogEvent.values), name="delivery_log_event_known"
            ),
            models.CheckConstraint(
                condition=models.Q(source__in=LogSource.values), name="delivery_log_source_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.delivery_id}"
