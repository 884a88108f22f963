"""Suppressed addresses."""

from datetime import datetime
from typing import NamedTuple

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ..states import Channel
from .fields import AddressField


class SuppressionReason(models.TextChoices):
    """Why an address is suppressed."""

    BOUNCE = "bounce", "messages to it bounce"
    COMPLAINT = "complaint", "its owner complained about a message"
    OPT_OUT = "opt_out", "its owner answered STOP"


class Listed(NamedTuple):
    """One entry of a provider's own suppression list."""

    #: As the provider spells it.
    address: str
    reason: SuppressionReason
    #: Since when; None if the provider does not say.
    since: datetime | None = None


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    def in_force(self) -> "SuppressionQuerySet":
        return self.filter(Q(until=None) | Q(until__gt=Now()), lifted_at=None)


class Suppression(models.Model):
    """One suppressed address: since when, why, and until when or until a person lifts it."""

    channel = models.CharField(max_length=8, choices=Channel.choices)
    #: In lower case: no mail provider that matters tells addresses apart by it.
    address = AddressField(max_length=320)
    reason = models.CharField(max_length=16, choices=SuppressionReason.choices)
    detail = models.CharField(max_length=500, blank=True)
    since = models.DateTimeField(db_default=Now(), editable=False)
    #: Empty if it does not end by itself.
    until = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=150, blank=True)
    #: How the provider's own list spells it, and when it was last seen there; empty if never.
    listed_as = models.CharField(max_length=320, blank=True, default="", db_default="")
    listed_at = models.DateTimeField(null=True)
    #: Lifted, and still to be removed from the provider's own list; what prevented that; and when
    #: it was removed.
    unlist = models.BooleanField("still on AWS's list", default=False, db_default=False)
    unlist_problem = models.CharField(max_length=300, blank=True, default="", db_default="")
    unlisted_at = models.DateTimeField(null=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "address"],
                condition=Q(lifted_at=None),
                name="one_suppression_per_address",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=SuppressionReason.values), name="suppression_reason_known"
            ),
            models.CheckConstraint(
                condition=Q(channel__in=Channel.values), name="suppression_channel_known"
            ),
        ]
        indexes = [
            models.Index(fields=["-since"], name="suppression_newest"),
            models.Index(fields=["channel", "address"], name="suppression_of_address"),
            models.Index(fields=["channel"], condition=Q(unlist=True), name="suppression_unlist"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} suppressed: {self.get_reason_display()}"
