from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.message import user_text

from .company import Company


class Role(models.TextChoices):
    MANAGER = "manager", "Fleet manager"
    TECHNICIAN = "technician", "Technician"
    OFFICE = "office", "Office"


class ProfileQuerySet(models.QuerySet["Profile"]):
    def technicians(self) -> "ProfileQuerySet":
        """Return the technicians by name, those who have left included."""
        people = self.filter(role=Role.TECHNICIAN).select_related("user")
        return people.order_by("user__first_name", "user__last_name", "pk")

    def lock(self, profile: "Profile") -> None:
        """Let this person's transactions follow each other, until the end of this one."""
        # Without the key: rows that refer to the profile can still be inserted.
        self.select_for_update(no_key=True).only("pk").get(pk=profile.pk)


class Profile(models.Model):
    """A user's role. A manager belongs to a customer; technicians and the office are ours."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    role = models.CharField(max_length=16, choices=Role.choices)
    company = models.ForeignKey(
        Company, null=True, blank=True, on_delete=models.PROTECT, related_name="managers"
    )

    objects = ProfileQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(role=Role.MANAGER, company__isnull=False)
                | Q(role__in=[Role.TECHNICIAN, Role.OFFICE], company__isnull=True),
                name="profile_company_exactly_for_managers",
                violation_error_message="A manager needs a company, and nobody else has one.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return user_text.clean_line(self.user.get_full_name()) or self.user.get_username()
