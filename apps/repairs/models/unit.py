from django.db import models

from .company import Company
from .profile import Profile, Role


class FleetUnitQuerySet(models.QuerySet["FleetUnit"]):
    def visible_to(self, profile: Profile) -> "FleetUnitQuerySet":
        """Return the units that this person may request a repair for."""
        if profile.role == Role.MANAGER:
            return self.filter(company_id=profile.company_id)
        return self


class FleetUnit(models.Model):
    """A vehicle of a customer. `number` is the one painted on it."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="units")
    number = models.CharField("unit number", max_length=20)
    description = models.CharField(max_length=80, help_text="As in 2021 Freightliner Cascadia")
    plate = models.CharField("license plate", max_length=16)

    objects = FleetUnitQuerySet.as_manager()

    class Meta:
        ordering = ["company__name", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["company", "number"],
                name="one_unit_per_number_and_company",
                violation_error_message="The company has a unit with this number already.",
            )
        ]

    def __str__(self) -> str:
        return f"Unit {self.number}, {self.description}"
