from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_noop

from .profile import Profile
from .repair import Repair


class Moment(models.TextChoices):
    DAMAGE = "damage", gettext_noop("Damage")
    FINISHED = "finished", gettext_noop("Finished work")


class RepairPhotoManager(models.Manager["RepairPhoto"]):
    def get_queryset(self) -> models.QuerySet["RepairPhoto"]:
        """Leave out the pictures themselves, which only the views of a photo need."""
        return super().get_queryset().defer("data", "small")


class RepairPhoto(models.Model):
    """A picture of a break before or after the work, as JPEG in two sizes without metadata."""

    repair = models.ForeignKey(Repair, on_delete=models.CASCADE, related_name="photos")
    moment = models.CharField(max_length=8, choices=Moment.choices)
    #: Of `data`: the photo's name in its addresses.
    sha256 = models.CharField(max_length=64)
    data = models.BinaryField()
    #: The rendition for e-mails and lists, and its size in pixels.
    small_width = models.PositiveSmallIntegerField()
    small_height = models.PositiveSmallIntegerField()
    small = models.BinaryField()
    uploaded_by = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="repair_photos")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RepairPhotoManager()

    class Meta:
        ordering = ["moment", "created_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["repair", "sha256"], name="repair_photo_once"),
            models.CheckConstraint(
                condition=models.Q(moment__in=Moment.values), name="repair_photo_moment_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repair.number}, {self.get_moment_display().lower()}"
