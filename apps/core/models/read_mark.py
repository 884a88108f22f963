"""How far something that is read bit by bit has been read."""

from django.db import models


class ReadMark(models.Model):
    """The time of the newest entry that was read under this name."""

    name = models.CharField(max_length=512, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
