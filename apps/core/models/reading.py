"""What a task has looked at, for pages and alarms that must not look themselves."""

from django.db import models


class Reading(models.Model):
    """The newest result of one look, as at SES's quota: a finding, and numbers."""

    name = models.CharField(max_length=32, unique=True)
    at = models.DateTimeField()
    #: A value of apps.core.audit.findings.Status.
    status = models.CharField(max_length=4)
    found = models.TextField(blank=True)
    do = models.TextField(blank=True)
    numbers = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name
