"""Who may do what to a repair, and in which status. Services and pages both use this table."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext, gettext_noop

from apps.core.message.stored_words import translated

from .models import Company, EventAction, FleetUnit, Profile, Repair, RepairBatch, Role, Status


class Action(models.TextChoices):
    """What a person can do to a repair; the labels are those of the buttons."""

    APPROVE = "approve", gettext_noop("Approve")
    APPROVE_BATCH = "approve_batch", gettext_noop("Approve batch")
    DENY = "deny", gettext_noop("Deny")
    DENY_BATCH = "deny_batch", gettext_noop("Deny batch")
    SUBMIT_ESTIMATE = "submit_estimate", gettext_noop("Submit estimate")
    START = "start", gettext_noop("Start repair")
    COMPLETE = "complete", gettext_noop("Complete repair")
    ASSIGN = "assign", gettext_noop("Assign")
    APPROVE_COST = "approve_cost", gettext_noop("Approve the higher cost")
    DENY_COST = "deny_cost", gettext_noop("Deny the higher cost")
    ADD_PHOTO = "add_photo", gettext_noop("Add a photo")
    REMOVE_PHOTO = "remove_photo", gettext_noop("Remove the photo")


@dataclass(frozen=True)
class Rule:
    """Who may act, and in which statuses.

    `who` and `verb` complete "Only {who} may {verb} R-1042.". `done_by` are the actions in the
    history which mean that another person was first.
    """

    roles: frozenset[Role]
    who: str
    verb: str
    statuses: frozenset[Status]
    done_by: frozenset[EventAction]


def _rule(
    roles: Iterable[Role],
    who: str,
    verb: str,
    statuses: Iterable[Status],
    done_by: Iterable[EventAction],
) -> Rule:
    return Rule(frozenset(roles), who, verb, frozenset(statuses), frozenset(done_by))


_DECISION = _rule(
    [Role.MANAGER],
    gettext_noop("a manager of the company"),
    gettext_noop("decide on"),
    [Status.AWAITING_APPROVAL],
    [EventAction.APPROVED, EventAction.DENIED],
)

_COST_DECISION = _rule(
    [Role.MANAGER],
    gettext_noop("a manager of the company"),
    gettext_noop("decide on the cost of"),
    [Status.COST_APPROVAL],
    [EventAction.COST_APPROVED, EventAction.COST_DENIED],
)

RULES: dict[Action, Rule] = {
    Action.APPROVE: _DECISION,
    Action.APPROVE_BATCH: _DECISION,
    Action.DENY: _DECISION,
    Action.DENY_BATCH: _DECISION,
    Action.SUBMIT_ESTIMATE: _rule(
        [Role.TECHNICIAN, Role.OFFICE],
        gettext_noop("the assigned technician or the office"),
        gettext_noop("price"),
        [Status.REQUESTED],
        [EventAction.SUBMITTED],
    ),
    Action.START: _rule(
        [Role.TECHNICIAN],
        gettext_noop("the assigned technician"),
        gettext_noop("start"),
        [Status.APPROVED],
        [EventAction.STARTED],
    ),
    Action.COMPLETE: _rule(
        [Role.TECHNICIAN],
        gettext_noop("the assigned technician"),
        gettext_noop("complete"),
        [Status.IN_PROGRESS],
        [EventAction.COMPLETED, EventAction.COST_SUBMITTED, EventAction.COST_APPROVED],
    ),
    Action.APPROVE_COST: _COST_DECISION,
    Action.DENY_COST: _COST_DECISION,
    Action.ASSIGN: _rule(
        [Role.OFFICE],
        gettext_noop("the office"),
        gettext_noop("assign"),
        set(Status) - {Status.DENIED, Status.COMPLETED},
        [
            # A technician who requests a repair is assigned to it.
            EventAction.REQUESTED,
            EventAction.ASSIGNED,
            EventAction.REASSIGNED,
            EventAction.DENIED,
            EventAction.COMPLETED,
            EventAction.COST_APPROVED,
        ],
    ),
    Action.ADD_PHOTO: _rule(
        [Role.TECHNICIAN, Role.OFFICE],
        gettext_noop("the assigned technician or the office"),
        gettext_noop("add photos to"),
        set(Status) - {Status.DENIED},
        [EventAction.DENIED],
    ),
    # The photos of a completed repair are its record.
    Action.REMOVE_PHOTO: _rule(
        [Role.TECHNICIAN, Role.OFFICE],
        gettext_noop("the assigned technician or the office"),
        gettext_noop("remove photos from"),
        set(Status) - {Status.DENIED, Status.COMPLETED},
        [EventAction.DENIED, EventAction.COMPLETED, EventAction.COST_APPROVED],
    ),
}
#: No steps of the work: pages offer them beside the photos.
_BESIDE = frozenset({Action.ADD_PHOTO, Action.REMOVE_PHOTO})


def actions_for(repair: Repair, profile: Profile) -> list[Action]:
    """Return the steps that this person may take with the repair now, the most likely first."""
    return [action for action in RULES if action not in _BESIDE and may(action, repair, profile)]


def may(action: Action, repair: Repair, profile: Profile) -> bool:
    """Return whether this person may take this action now."""
    return repair.status in RULES[action].statuses and not refusal(action, repair, profile)


def problem(action: Action, repair: Repair, profile: Profile) -> str:
    """Return why this person may not take this action now, or "" if they may."""
    if may(action, repair, profile):
        return ""
    return refusal(action, repair, profile) or status_refusal(action, repair)


def refusal(action: Action, about: Repair | RepairBatch, profile: Profile) -> str:
    """Return why this person may never take this action, or "" if they may."""
    rule = RULES[action]
    if profile.role not in rule.roles or not _is_theirs(about, profile):
        words = {"who": gettext(rule.who), "verb": gettext(rule.verb), "number": about.number}
        return gettext("Only {who} may {verb} {number}.").format(**words)
    if isinstance(about, RepairBatch):
        return ""
    if action == Action.APPROVE and about.batch:
        return gettext("{number} belongs to {batch}: approve the batch as a whole.").format(
            number=about.number, batch=about.batch.number
        )
    if action in (Action.APPROVE_BATCH, Action.DENY_BATCH) and not about.batch:
        return gettext("{number} does not belong to a batch.").format(number=about.number)
    return ""


def status_refusal(action: Action, repair: Repair) -> str:
    """Return why the status allows this action to no person now."""
    return gettext("You cannot {verb} {number}: it is {status}.").format(
        verb=gettext(RULES[action].verb),
        number=repair.number,
        status=translated(repair.get_status_display()).lower(),
    )


def new_unit_refusal(profile: Profile, company: Company) -> str:
    """Return why this person may not enter a vehicle of the company, or "" if they may."""
    if profile.role == Role.MANAGER and profile.company_id != company.pk:
        return gettext("You can enter vehicles of your own company only.")
    return ""


def request_refusal(
    profile: Profile, unit: FleetUnit, technician: Profile | None, *, priced: bool
) -> str:
    """Return why this person may not request this repair, or "" if they may."""
    if profile.role == Role.MANAGER:
        if unit.company_id != profile.company_id:
            return gettext("You can request repairs for the units of your own company only.")
        if priced:
            return gettext("The technician or the office sets the estimate.")
    if technician and profile.role != Role.OFFICE and technician != profile:
        return gettext("Only the office may choose the technician.")
    return technician_problem(technician) if technician else ""


def technician_problem(technician: Profile) -> str:
    """Return why repairs cannot be assigned to this person, or "" if they can."""
    if technician.role == Role.TECHNICIAN and technician.user.is_active:
        return ""
    return gettext("{name} does not work as a technician.").format(name=technician.name)


def _is_theirs(about: Repair | RepairBatch, profile: Profile) -> bool:
    match profile.role:
        case Role.MANAGER:
            return about.unit.company_id == profile.company_id
        case Role.TECHNICIAN:
            return isinstance(about, Repair) and about.technician_id == profile.pk
    return profile.role == Role.OFFICE
