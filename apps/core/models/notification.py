"""What a person is told."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Now

from ..states import Priority
from .wording import DIGEST_LENGTH

#: Characters of an in-app title, which is one line.
LONGEST_TITLE = 200
#: Characters of what settled a matter.
LONGEST_BECAUSE = 200


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, user: Any) -> "NotificationQuerySet":
        """Return the in-app messages of this user whose time has come, newest first.

        A message that was settled before its time never appears.
        """
        came_in_time = models.Q(settled_at=None) | models.Q(
            visible_from__lte=models.F("settled_at")
        )
        shown = self.filter(came_in_time, recipient=user, visible_from__lte=Now())
        return shown.order_by("-visible_from")

    def unread(self) -> "NotificationQuerySet":
        """Return those that are neither read nor settled."""
        return self.filter(read_at=None, settled_at=None)


class Notification(models.Model):
    """One message to one person. This row is the in-app message; its deliveries go outside."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Indexes below begin with each of the two foreign keys.
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="notifications",
        db_index=False,
    )
    kind = models.CharField(max_length=64)
    category = models.CharField(max_length=64)
    priority = models.SmallIntegerField(choices=Priority.choices)
    context = models.JSONField()
    title = models.CharField(max_length=LONGEST_TITLE)
    text = models.TextField()
    #: The digest of the words that all its messages use; empty in rows of earlier versions.
    wording = models.CharField(max_length=DIGEST_LENGTH, blank=True, default="", db_default="")
    action_url = models.CharField(max_length=500, blank=True)
    about_type = models.ForeignKey(
        ContentType, null=True, on_delete=models.SET_NULL, db_index=False
    )
    about_id = models.CharField(max_length=64, blank=True)
    about = GenericForeignKey("about_type", "about_id")
    dedup_key = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: When the message appears; later than `created_at` if it was scheduled.
    visible_from = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True, blank=True)
    #: When the matter was settled, and by what, in words: "approved by Luis, 9:02".
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_because = models.CharField(
        max_length=LONGEST_BECAUSE, blank=True, default="", db_default=""
    )

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["recipient", "dedup_key"],
                condition=~models.Q(dedup_key=""),
                name="one_notification_per_dedup_key",
            ),
            models.CheckConstraint(
                condition=models.Q(priority__in=Priority.values), name="notification_priority_known"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="notification_newest"),
            models.Index(fields=["kind", "-created_at", "-id"], name="notification_kind"),
            models.Index(fields=["recipient", "-visible_from", "-id"], name="notification_inbox"),
            models.Index(
                fields=["recipient", "-visible_from"],
                condition=models.Q(read_at=None),
                name="notification_unread",
            ),
            models.Index(fields=["about_type", "about_id"], name="notification_about"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
