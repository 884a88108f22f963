import re

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from apps.core.message.stored_words import translated

from .profile import Profile
from .repair import Repair


class EventAction(models.TextChoices):
    """The action of an event; each label completes "R-1042 was …"."""

    REQUESTED = "requested", gettext_noop("Requested")
    SUBMITTED = "submitted", gettext_noop("Submitted for approval")
    APPROVED = "approved", gettext_noop("Approved")
    DENIED = "denied", gettext_noop("Denied")
    ASSIGNED = "assigned", gettext_noop("Assigned")
    REASSIGNED = "reassigned", gettext_noop("Reassigned")
    STARTED = "started", gettext_noop("Started")
    COMPLETED = "completed", gettext_noop("Completed")
    COST_SUBMITTED = "cost_submitted", gettext_noop("Submitted at a higher cost")
    COST_APPROVED = "cost_approved", gettext_noop("Completed at the higher cost")
    COST_DENIED = "cost_denied", gettext_noop("Denied the higher cost")
    UNDONE = "undone", gettext_noop("Undone")


#: Events whose note has the final cost, and the approved one if it differs.
COSTS = (
    EventAction.COMPLETED,
    EventAction.COST_SUBMITTED,
    EventAction.COST_APPROVED,
    EventAction.COST_DENIED,
)
#: Notes that `services` writes: "from Jane to Tom", "$520.00 instead of $412.50: reason".
_REASSIGNED = re.compile(r"from (?P<former>.+) to (?P<technician>.+)")
_BOTH_SUMS = re.compile(r"(?P<asked>\S+) instead of (?P<approved>[^\s:]+)(?P<reason>.*)", re.DOTALL)


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

    @property
    def note_words(self) -> str:
        """Return the note in the reader's language; what people wrote stays as it is."""
        if self.action == EventAction.UNDONE:
            return translated(self.note)
        if self.action == EventAction.REASSIGNED and (found := _REASSIGNED.fullmatch(self.note)):
            return gettext("from {former} to {technician}").format(**found.groupdict())
        if self.action in COSTS and (found := _BOTH_SUMS.fullmatch(self.note)):
            sums = gettext("{asked} instead of {approved}").format(**found.groupdict())
            return sums + found["reason"]
        return self.note
