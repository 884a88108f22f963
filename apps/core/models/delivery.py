"""The outbox: one row for each notification and channel."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from ..reasons import HOLD_REASONS, Reason
from ..states import PENDING, SOURCES, Channel, DeliveryState, Priority
from .fields import AddressField
from .notification import Notification
from .preferences import Digest


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def move(self, to: DeliveryState, **values: Any) -> int:
        """Move these rows to a state, if the move from their present state is allowed.

        One conditional UPDATE. Return how many rows moved; 0 means that another process was first.
        """
        return self.filter(state__in=SOURCES[to]).update(state=to, **values)

    def pending(self) -> "DeliveryQuerySet":
        """Return those that were not sent yet and that no worker has."""
        return self.filter(state__in=PENDING)

    def held(self) -> "DeliveryQuerySet":
        return self.filter(state=DeliveryState.HELD)


class Delivery(models.Model):
    """The way of one notification over one channel. These rows are the queue; Redis only wakes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # The constraint below has an index that begins with it.
    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    channel = models.CharField(max_length=8, choices=Channel.choices)
    priority = models.SmallIntegerField(choices=Priority.choices)
    state = models.CharField(
        max_length=16, choices=DeliveryState.choices, default=DeliveryState.DUE
    )
    #: The one address that the message is about, as one that is to be confirmed. Empty: the
    #: recipient's present address, if it is verified and they want the message.
    direct_to = AddressField(max_length=320, blank=True, default="", db_default="")
    #: Why it was skipped, rejected or given up, in words.
    reason = models.CharField(max_length=300, blank=True)
    #: Why it is sent, held or skipped, as a code; and who decided that and when, if a person did.
    decision = models.CharField(
        max_length=24, choices=Reason.choices, blank=True, default="", db_default=""
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    decided_at = models.DateTimeField(null=True)
    #: What it waits for, or last waited for, as a code of HOLD_REASONS; and until when.
    held_for = models.CharField(max_length=16, blank=True, default="", db_default="")
    release_at = models.DateTimeField(null=True)
    #: The digest of which it is an item, or which it carries.
    digest = models.ForeignKey(
        Digest, null=True, on_delete=models.SET_NULL, related_name="items", db_index=False
    )
    #: How often a worker claimed it; the number of the present attempt.
    attempts = models.PositiveIntegerField(default=0)
    #: How often it failed and was to be tried again: the back-off grows with it.
    failures = models.PositiveIntegerField(default=0)
    #: When it was first to be sent: the retry horizon counts from here.
    due_at = models.DateTimeField(db_default=Now())
    #: When the next step is due; empty if there is none.
    next_attempt_at = models.DateTimeField(null=True, db_default=Now())
    lease_until = models.DateTimeField(null=True)
    #: What the present attempt has reserved or spent of that month's budget; empty if nothing.
    cost_usd = models.DecimalField(max_digits=12, decimal_places=5, null=True)
    cost_month = models.DateField(null=True)
    #: The parts of its text message, as last paid for; empty for e-mail.
    parts = models.PositiveSmallIntegerField(null=True)
    provider = models.CharField(max_length=32, blank=True)
    provider_message_id = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["notification", "channel"], name="one_delivery_per_channel"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=DeliveryState.values), name="delivery_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(channel__in=Channel.values), name="delivery_channel_known"
            ),
            models.CheckConstraint(
                condition=models.Q(held_for__in=["", *HOLD_REASONS]), name="delivery_hold_known"
            ),
            # A held delivery without an end would be dropped silently.
            models.CheckConstraint(
                condition=~models.Q(state=DeliveryState.HELD)
                | models.Q(release_at__isnull=False) & ~models.Q(held_for=""),
                name="delivery_held_until",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="delivery_newest"),
            # The admin's filter: what is rare is found without reading the rest.
            models.Index(fields=["state", "-created_at", "-id"], name="delivery_state"),
            models.Index(
                fields=["finished_at", "id"],
                condition=models.Q(finished_at__isnull=False),
                name="delivery_finished",
            ),
            models.Index(
                fields=["cost_month", "cost_usd"],
                condition=models.Q(cost_month__isnull=False),
                name="delivery_cost",
            ),
            models.Index(
                fields=["channel", "priority", "next_attempt_at"],
                condition=models.Q(state=DeliveryState.DUE),
                name="delivery_due",
            ),
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(state__in=[DeliveryState.RETRYING, DeliveryState.UNKNOWN]),
                name="delivery_waiting",
            ),
            models.Index(
                fields=["release_at"],
                condition=models.Q(state=DeliveryState.HELD),
                name="delivery_held",
            ),
            models.Index(
                fields=["digest"],
                condition=models.Q(digest__isnull=False),
                name="delivery_digest",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(state=DeliveryState.SENDING),
                name="delivery_leased",
            ),
            models.Index(
                fields=["provider_message_id"],
                condition=~models.Q(provider_message_id=""),
                name="delivery_provider_message",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.id}"
