"""The channels on which nothing is sent for now."""

from django.db import models
from django.db.models.functions import Now

from ..states import Channel


class ChannelStop(models.Model):
    """A channel that stands still until its provider works again; no row, and it runs."""

    channel = models.CharField(max_length=8, choices=Channel.choices, unique=True)
    since = models.DateTimeField(db_default=Now(), editable=False)
    code = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500)
    #: When one delivery is next let through, to see whether the provider works again.
    probe_at = models.DateTimeField()
    probes = models.PositiveIntegerField(default=0)
    #: When the administrator was told.
    told_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "stopped channel"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(channel__in=Channel.values), name="channel_stop_channel_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} is stopped"
