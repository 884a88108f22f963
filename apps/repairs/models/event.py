from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone

from .profile import Profile
from .repair import Repair


class EventAction(models.TextChoices):
    """The action of an event; each label completes "R-1042 was …"."""

    REQUESTED = "requested", "Requested"
    SUBMITTED = "submitted", "Submitted for approval"
    APPROVED = "approved", "Approved"
    DENIED = "denied", "Denied"
    ASSIGNED = "assigned", "Assigned"
    REASSIGNED = "reassigned", "Reassigned"
    STARTED = "started", "Started"
    COMPLETED = "completed", "Completed"
    COST_SUBMITTED = "cost_submitted", "Submitted at a higher cost"
    COST_APPROVED = "cost_approved", "Completed at the higher cost"
    COST_DENIED = "cost_denied", "Denied the higher cost"
    UNDONE = "undone", "Undone"


class RepairEvent(models.Model):
    """One entry of a repair's history. Entries are never changed or deleted."""

    repair = models.ForeignKey(Repair, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="events")
    action = models.CharField(max_length=16, choices=EventAction.choices)
    #: The estimate, the reason, the technician or the cost, in words.
    note = models.CharField(max_length=600, blank=True)
    #: The repair's columns that the event changed, as they were before it; None if unknown.
    before = models.JSONField(null=True, editable=False, encoder=DjangoJSONEncoder)
    #: The event that this one takes back.
    undoes = models.OneToOneField(
        "self", null=True, editable=False, on_delete=models.CASCADE, related_name="undone_by"
    )
    #: Whose repair it was until this reassignment.
    former_technician = models.ForeignKey(
        Profile,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="reassigned_events",
    )
    #: People who were told of it with a priority that sends text messages.
    texts = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        ordering = ["at", "pk"]
        indexes = [
            models.Index(fields=["at"], condition=Q(texts__gt=0), name="repair_event_with_texts")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(action__in=EventAction.values),
                name="repair_event_action_known",
            )
        ]

    def __str__(self) -> str:
        return f"{self.repair.number} {self.get_action_display().lower()}"
