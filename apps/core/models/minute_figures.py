"""What each channel did in each minute."""

from django.db import models

from .tally import Tally


class MinuteFigures(Tally):
    """One minute of one channel. A minute in which nothing happened has no row."""

    minute = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["minute", "channel"], name="one_row_per_minute")
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.minute:%Y-%m-%d %H:%M}"
