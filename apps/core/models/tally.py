"""What the rows of figures have in common: counts of one channel over one span of time."""

from django.db import models

from ..states import Channel


class Tally(models.Model):
    """Counts of one channel. apps/core/audit/rollups.py says from what each is counted."""

    channel = models.CharField(max_length=8, choices=Channel.choices)
    created = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0)
    #: Rejected, bounced, or given up.
    failed = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    #: Attempts that the provider refused, for now or for good, or did not answer.
    refused = models.PositiveIntegerField(default=0)
    #: Parts of text messages, by their receipts; and US dollars of what was accepted.
    parts = models.PositiveIntegerField(default=0)
    dollars = models.DecimalField(max_digits=12, decimal_places=5, default=0)
    last_accepted_at = models.DateTimeField(null=True)
    last_delivered_at = models.DateTimeField(null=True)
    #: Acceptances by the seconds since the delivery was first due, each above the one before.
    took_500ms = models.PositiveIntegerField(default=0)
    took_1s = models.PositiveIntegerField(default=0)
    took_2s = models.PositiveIntegerField(default=0)
    took_5s = models.PositiveIntegerField(default=0)
    took_10s = models.PositiveIntegerField(default=0)
    took_20s = models.PositiveIntegerField(default=0)
    took_30s = models.PositiveIntegerField(default=0)
    took_60s = models.PositiveIntegerField(default=0)
    took_300s = models.PositiveIntegerField(default=0)
    took_900s = models.PositiveIntegerField(default=0)
    took_3600s = models.PositiveIntegerField(default=0)
    took_longer = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


#: The columns of the histogram, each with the most seconds that it counts.
BUCKETS: dict[str, float] = {
    "took_500ms": 0.5,
    "took_1s": 1,
    "took_2s": 2,
    "took_5s": 5,
    "took_10s": 10,
    "took_20s": 20,
    "took_30s": 30,
    "took_60s": 60,
    "took_300s": 300,
    "took_900s": 900,
    "took_3600s": 3600,
    "took_longer": float("inf"),
}
#: The columns that add up over several spans, and those of which the latest counts.
SUMS = (
    "created",
    "accepted",
    "delivered",
    "failed",
    "held",
    "skipped",
    "refused",
    "parts",
    "dollars",
    *BUCKETS,
)
LATEST = ("last_accepted_at", "last_delivered_at")
