from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import Case, Count, F, Max, Q, Sum, When
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_noop

from .batch import RepairBatch
from .numbering import number
from .profile import Profile, Role
from .unit import FleetUnit


class Status(models.TextChoices):
    """A repair's status, in the order of the work. Only `services` changes it."""

    REQUESTED = "requested", gettext_noop("Requested")
    AWAITING_APPROVAL = "awaiting_approval", gettext_noop("Awaiting approval")
    APPROVED = "approved", gettext_noop("Approved")
    DENIED = "denied", gettext_noop("Denied")
    IN_PROGRESS = "in_progress", gettext_noop("In progress")
    COST_APPROVAL = "cost_approval", gettext_noop("Awaiting cost approval")
    COMPLETED = "completed", gettext_noop("Completed")


#: A manager has to decide.
UNDECIDED = (Status.AWAITING_APPROVAL, Status.COST_APPROVAL)
CLOSED = (Status.DENIED, Status.COMPLETED)


class Damage(models.TextChoices):
    CHIP = "chip", gettext_noop("Chip")
    STAR_BREAK = "star_break", gettext_noop("Star break")
    BULLSEYE = "bullseye", gettext_noop("Bullseye")
    CRACK = "crack", gettext_noop("Crack")
    COMBINATION = "combination", gettext_noop("Combination break")


class Position(models.TextChoices):
    DRIVER_SIDE = "driver_side", gettext_noop("Driver side")
    CENTER = "center", gettext_noop("Center")
    PASSENGER_SIDE = "passenger_side", gettext_noop("Passenger side")
    TOP_EDGE = "top_edge", gettext_noop("Top edge")
    BOTTOM_EDGE = "bottom_edge", gettext_noop("Bottom edge")


class RepairQuerySet(models.QuerySet["Repair"]):
    def visible_to(self, profile: Profile) -> "RepairQuerySet":
        """Return the repairs that this person may see; the others answer 404."""
        match profile.role:
            case Role.MANAGER:
                return self.filter(unit__company_id=profile.company_id)
            case Role.TECHNICIAN:
                return self.filter(technician=profile)
            case Role.OFFICE:
                return self
        return self.none()

    def with_details(self) -> "RepairQuerySet":
        """Load the related rows that a list entry shows."""
        return self.select_related(
            "unit__company", "batch", "technician__user", "requested_by__user"
        )

    def unassigned(self) -> "RepairQuerySet":
        """Return the open repairs without a technician."""
        return self.filter(technician=None).exclude(status__in=CLOSED)

    def in_list_order(self) -> "RepairQuerySet":
        """Sort by the last change, newest first, after the unassigned, longest waiting first."""
        is_unassigned = Q(technician=None) & ~Q(status__in=CLOSED)
        waiting = Case(When(is_unassigned, then="created_at"))
        order = F("waiting").asc(nulls_last=True), "-updated_at", "-pk"
        return self.alias(waiting=waiting).order_by(*order)

    def undecided(self) -> "RepairQuerySet":
        """Return what the managers have to decide."""
        return self.filter(status__in=UNDECIDED)

    def longest_waiting_first(self) -> "RepairQuerySet":
        """Sort undecided repairs by `waiting_since`, when the managers were asked."""
        asked = Q(events__action__in=["submitted", "cost_submitted"])
        since = Coalesce(Max("events__at", filter=asked), "created_at")
        return self.annotate(waiting_since=since).order_by("waiting_since", "pk")

    def asked_for(self) -> tuple[int, Decimal]:
        """Return how many repairs these are, and the US dollars that the managers are asked for."""
        asked = self.order_by().aggregate(
            count=Count("pk"), total=Sum(Coalesce("final_cost", "estimate"))
        )
        # SQLite adds in floating point.
        return asked["count"], (asked["total"] or Decimal(0)).quantize(Decimal("0.01"))

    def total_estimate(self) -> Decimal:
        """Return the sum of the estimates in US dollars."""
        total = self.aggregate(total=Sum("estimate"))["total"] or Decimal(0)
        # SQLite adds in floating point.
        return total.quantize(Decimal("0.01"))


class Repair(models.Model):
    """One break in one windshield."""

    unit = models.ForeignKey(FleetUnit, on_delete=models.PROTECT, related_name="repairs")
    batch = models.ForeignKey(
        RepairBatch, null=True, blank=True, on_delete=models.PROTECT, related_name="repairs"
    )
    damage = models.CharField(max_length=16, choices=Damage.choices)
    position = models.CharField(max_length=16, choices=Position.choices)
    description = models.TextField(max_length=1000, blank=True)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.REQUESTED)
    technician = models.ForeignKey(
        Profile, null=True, blank=True, on_delete=models.PROTECT, related_name="repairs"
    )
    requested_by = models.ForeignKey(
        Profile, on_delete=models.PROTECT, related_name="requested_repairs"
    )
    #: US dollars.
    estimate = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    final_cost = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    #: Why the final cost is above the estimate.
    cost_reason = models.CharField(max_length=500, blank=True, db_default="")
    denial_reason = models.CharField(max_length=500, blank=True)
    #: Sent by the request's page, so that a form sent twice makes one repair or batch. Of a batch,
    #: its first repair has it.
    request_token = models.UUIDField(null=True, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RepairQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["technician", "status"], name="repair_technician_status"),
            models.Index(fields=["status", "-created_at"], name="repair_status_created"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="repair_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status=Status.REQUESTED) | Q(estimate__isnull=False, estimate__gte=0),
                name="repair_has_estimate_once_submitted",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.DENIED) | ~Q(denial_reason=""),
                name="repair_denied_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(
                    status__in=[Status.IN_PROGRESS, Status.COST_APPROVAL, Status.COMPLETED]
                )
                | Q(technician__isnull=False),
                name="repair_started_has_technician",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[Status.COST_APPROVAL, Status.COMPLETED])
                | Q(final_cost__isnull=False, final_cost__gte=0),
                name="repair_completed_has_final_cost",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        return reverse("repairs:detail", args=[self.pk])

    @property
    def number(self) -> str:
        return number("R", self.pk)

    @property
    def is_unassigned(self) -> bool:
        return self.technician_id is None and self.status not in CLOSED

    @property
    def is_priced(self) -> bool:
        return self.estimate is not None

    @property
    def listed_at(self) -> datetime:
        """Return the time that lists show and sort by."""
        return self.created_at if self.is_unassigned else self.updated_at

    @property
    def summary(self) -> str:
        return f"{self.get_damage_display()}, {self.get_position_display().lower()}"
