"""What the office tells many people at once."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.core.states import Priority

LONGEST_TITLE = 120
LONGEST_TEXT = 500


class Announcement(models.Model):
    """One message to everyone, a role or a company. Its deliveries tell how far it is."""

    title = models.CharField(max_length=LONGEST_TITLE)
    text = models.TextField(max_length=LONGEST_TEXT)
    #: The key of a group of the directory; empty for everyone.
    audience = models.CharField(max_length=64, blank=True)
    #: Which channels it takes, and whether it may wait.
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.MEDIUM)
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    written_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: Empty while it is a draft.
    sent_at = models.DateTimeField(null=True)
    recipients = models.PositiveIntegerField(default=0)
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-written_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(priority__in=Priority.values), name="announcement_priority_known"
            ),
            models.CheckConstraint(
                condition=models.Q(stopped_at=None) | models.Q(sent_at__isnull=False),
                name="announcement_stopped_after_sent",
            ),
        ]

    def __str__(self) -> str:
        return self.title
