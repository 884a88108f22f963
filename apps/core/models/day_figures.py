"""What each channel did on each day."""

from django.db import models

from .tally import Tally


class DayFigures(Tally):
    """One day of one channel, in the site's time zone: the sum of its minutes."""

    day = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "channel"], name="one_row_per_day")]

    def __str__(self) -> str:
        return f"{self.channel} {self.day}"
