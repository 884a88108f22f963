"""Messages of providers that could not be read."""

from django.db import models
from django.db.models.functions import Now

from ..states import Via


class SetAside(models.Model):
    """The raw text of a message that could not be read, kept as long as the log."""

    #: A hash of the text: the same text twice is one row.
    fingerprint = models.CharField(max_length=64, unique=True)
    via = models.CharField(max_length=8, choices=Via.choices)
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    problem = models.CharField(max_length=300)
    text = models.TextField()

    class Meta:
        verbose_name = "message set aside"
        verbose_name_plural = "messages set aside"
        indexes = [models.Index(fields=["-received_at"], name="set_aside_newest")]

    def __str__(self) -> str:
        return f"{self.via} {self.pk}"
