"""Named times that must survive a restart."""

from django.db import models


class Mark(models.Model):
    """A named time: how far a log was read, or when an alert was sent."""

    name = models.CharField(max_length=512, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
