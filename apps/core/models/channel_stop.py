"""Channels that are stopped."""

from django.db import models
from django.db.models.functions import Now

from ..states import Channel


class StopCause(models.TextChoices):
    """Why a channel is stopped."""

    #: Everything stops; from time to time one delivery probes the channel.
    PROVIDER = "provider", "the provider refuses everything"
    #: Urgent messages pass; the rest waits until the shares are better or a person lifts the stop.
    REPUTATION = "reputation", "too many bounces or complaints"
    #: Everything waits, urgent messages too, until a person lets it run again.
    PERSON = "person", "a person paused it"


class ChannelStop(models.Model):
    """A channel that is stopped for one cause. A channel without a row runs."""

    channel = models.CharField(max_length=8, choices=Channel.choices)
    cause = models.CharField(max_length=16, choices=StopCause.choices, default=StopCause.PROVIDER)
    since = models.DateTimeField(db_default=Now(), editable=False)
    code = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500)
    #: When the next delivery may probe the channel; empty if none may.
    probe_at = models.DateTimeField(null=True)
    probes = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "stopped channel"
        constraints = [
            models.UniqueConstraint(fields=["channel", "cause"], name="one_stop_per_cause"),
            models.CheckConstraint(
                condition=models.Q(cause__in=StopCause.values), name="channel_stop_cause_known"
            ),
            models.CheckConstraint(
                condition=models.Q(channel__in=Channel.values), name="channel_stop_channel_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} is stopped"
