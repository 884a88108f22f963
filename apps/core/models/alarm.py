"""Alarms: those that ring, and those that did."""

from django.db import models


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def ringing(self) -> "AlarmQuerySet":
        return self.filter(started_at__isnull=False, ended_at=None)


class Alarm(models.Model):
    """One time that something was wrong, from its first sight to its end.

    It starts when the condition has lasted as long as its rule asks. Before that the row waits, and
    is deleted if the condition passes.
    """

    #: A name of the table in apps/core/audit/alarms/rules.py.
    name = models.CharField(max_length=32)
    seen_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    #: What was measured last while it was wrong, as a number and in words.
    value = models.FloatField()
    sentence = models.CharField(max_length=500)
    #: When its start and its end were told by each way.
    start_mailed_at = models.DateTimeField(null=True)
    end_mailed_at = models.DateTimeField(null=True)
    start_texted_at = models.DateTimeField(null=True)
    end_texted_at = models.DateTimeField(null=True)
    #: When a worker began to tell; empty if none does.
    claimed_at = models.DateTimeField(null=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(ended_at=None),
                name="one_open_alarm_per_name",
            )
        ]
        indexes = [
            models.Index(fields=["-started_at", "-id"], name="alarm_newest"),
            models.Index(fields=["ended_at"], name="alarm_ended"),
        ]

    def __str__(self) -> str:
        return self.name
