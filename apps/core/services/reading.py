"""What a person has read outside the notification center."""

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Now

from apps.core.models import Notification


def mark_read(user: AbstractBaseUser, about: models.Model) -> None:
    """Mark the person's messages about this as read: its page shows more than they say."""
    unread = Notification.objects.visible_to(user).unread()
    theirs = unread.filter(
        about_type=ContentType.objects.get_for_model(about), about_id=str(about.pk)
    )
    # Most views have nothing to mark, and a write takes SQLite's only lock.
    if theirs.exists():
        theirs.update(read_at=Now())
