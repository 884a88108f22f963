"""What the text messages of each month cost."""

from django.db import models


class SMSSpend(models.Model):
    """One month's budget: what is spent, and reserved to be spent, on text messages."""

    #: The first day of the month, in UTC.
    month = models.DateField(unique=True)
    committed_usd = models.DecimalField(max_digits=12, decimal_places=5, default=0)
    #: When a message first found no room. A cheaper one may still fit.
    refused_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "month of text messages"
        verbose_name_plural = "months of text messages"

    def __str__(self) -> str:
        return f"text messages of {self.month:%B %Y}"
