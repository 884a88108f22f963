from django.db import models


class Message(models.Model):
    """One e-mail of the plain task."""

    number = models.IntegerField()
    status = models.CharField(max_length=16, default="queued")

    def __str__(self) -> str:
        return f"message {self.number}"
