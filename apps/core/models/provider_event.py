"""What providers say later about a message."""

from django.db import models
from django.db.models.functions import Now

from ..states import EventCause, EventKind, Via
from .delivery import Delivery
from .fields import AddressField


class ProviderEvent(models.Model):
    """One event about one message to one recipient, kept even if it fits no delivery yet."""

    #: Made of the event's content, so the same event twice is one row.
    fingerprint = models.CharField(max_length=64, unique=True)
    #: The ID of the envelope that it came in, which identifies a replay.
    envelope_id = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=16, choices=EventKind.choices)
    cause = models.CharField(
        max_length=12, choices=EventCause.choices, blank=True, default="", db_default=""
    )
    #: The recipient belongs to the provider's simulator, which counts for no reputation.
    is_simulated = models.BooleanField(default=False, db_default=False)
    provider = models.CharField(max_length=32)
    provider_message_id = models.CharField(max_length=128)
    #: Our own IDs, if the event has them.
    delivery_ref = models.UUIDField(null=True)
    attempt = models.PositiveIntegerField(null=True)
    #: In lower case, as suppressions have it.
    recipient = AddressField(max_length=320, blank=True)
    code = models.CharField(max_length=64, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    #: Of a text message, if the event has them: US dollars, and the parts that were billed.
    price_usd = models.DecimalField(max_digits=12, decimal_places=5, null=True)
    parts = models.PositiveSmallIntegerField(null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    #: How it reached us first; empty for events from before this column.
    via = models.CharField(
        max_length=8, choices=Via.choices, blank=True, default="", db_default="", editable=False
    )
    #: The delivery that it was applied to; empty while none fits.
    delivery = models.ForeignKey(
        Delivery, null=True, on_delete=models.SET_NULL, related_name="provider_events"
    )

    class Meta:
        ordering = ["received_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=EventKind.values), name="provider_event_kind_known"
            ),
            models.CheckConstraint(
                condition=models.Q(cause__in=EventCause.values), name="provider_event_cause_known"
            ),
        ]
        indexes = [
            models.Index(fields=["-received_at"], name="provider_event_newest"),
            models.Index(
                fields=["recipient", "occurred_at"],
                condition=models.Q(kind=EventKind.BOUNCED),
                name="provider_event_bounces",
            ),
            models.Index(fields=["envelope_id"], name="provider_event_envelope"),
            models.Index(fields=["provider_message_id"], name="provider_event_message"),
            models.Index(
                fields=["received_at"],
                condition=models.Q(delivery=None),
                name="provider_event_unmatched",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.provider_message_id}"
