from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_noop

from .numbering import number
from .profile import Profile, Role
from .unit import FleetUnit


def breaks(count: int) -> str:
    """Return the number in words that messages store, so they are English: "3 breaks"."""
    word = gettext_noop("break") if count == 1 else gettext_noop("breaks")
    return f"{count} {word}"


class RepairBatchQuerySet(models.QuerySet["RepairBatch"]):
    def visible_to(self, profile: Profile) -> "RepairBatchQuerySet":
        """Return the batches that this person may see.

        A technician sees only some of the repairs: filter those by their own `visible_to`.
        """
        match profile.role:
            case Role.MANAGER:
                return self.filter(unit__company_id=profile.company_id)
            case Role.TECHNICIAN:
                return self.filter(repairs__technician=profile).distinct()
            case Role.OFFICE:
                return self
        return self.none()


class RepairBatch(models.Model):
    """Several breaks of one windshield, approved together."""

    unit = models.ForeignKey(FleetUnit, on_delete=models.PROTECT, related_name="batches")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RepairBatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "repair batches"
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        return reverse("repairs:batch", args=[self.pk])

    @property
    def number(self) -> str:
        return number("B", self.pk)

    @property
    def summary(self) -> str:
        return breaks(self.repairs.count())

    @property
    def is_priced(self) -> bool:
        """Whether every repair has an estimate, so that the managers can be asked once."""
        return not self.repairs.filter(estimate=None).exists()
