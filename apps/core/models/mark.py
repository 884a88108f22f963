"""Moments that are remembered."""

from django.db import models


class Mark(models.Model):
    """A moment under a name: how far a log was read, when somebody was told something."""

    name = models.CharField(max_length=512, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
