"""What was sent on each day, counted once."""

from django.db import models

from ..states import Channel


class CostTally(models.Model):
    """The messages that providers accepted on one day (UTC), by what the costs page groups by."""

    day = models.DateField()
    channel = models.CharField(max_length=8, choices=Channel.choices)
    kind = models.CharField(max_length=64)
    #: The key of the recipient's group (company), as `people.register_groups` explains; may be "".
    group = models.CharField(max_length=64, blank=True)
    #: ISO 3166 code of the number's country; empty for e-mail.
    country = models.CharField(max_length=2, blank=True)
    messages = models.PositiveBigIntegerField(default=0)
    #: Parts of text messages.
    parts = models.PositiveBigIntegerField(default=0)
    #: US dollars that the texts reserved, by the price table. E-mails cost nothing here.
    usd = models.DecimalField(max_digits=14, decimal_places=5, default=0)

    class Meta:
        verbose_name_plural = "cost tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "channel", "kind", "group", "country"], name="one_cost_tally"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.channel} {self.kind}"
