"""Named times that must survive a restart."""

from datetime import datetime

from django.db import models


class MarkManager(models.Manager["Mark"]):
    def advance(self, name: str, at: datetime) -> None:
        """Move the mark forward, never back: two workers may be at work at once."""
        self.get_or_create(name=name, defaults={"at": at})
        self.filter(name=name, at__lt=at).update(at=at)


class Mark(models.Model):
    """A named time: how far a log was read, or when an alert was sent."""

    name = models.CharField(max_length=512, unique=True)
    at = models.DateTimeField()

    objects = MarkManager()

    def __str__(self) -> str:
        return self.name
