"""A repair or a batch as one person sees it, with the actions that they may take now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext

from apps.core.message.kinds import format_money
from apps.core.message.stored_words import translated

from ..models import FleetUnit, Profile, Repair, RepairBatch, RepairPhoto, Status
from ..permissions import Action, actions_for


@dataclass(frozen=True)
class RepairCard:
    repair: Repair
    actions: list[Action]
    is_batch = False

    @property
    def about(self) -> Repair:
        return self.repair

    @property
    def unit(self) -> FleetUnit:
        return self.repair.unit

    @property
    def key(self) -> str:
        """Return the id of its element on a page."""
        return f"repair-{self.repair.pk}"

    @property
    def pictured(self) -> list[Repair]:
        return [self.repair]

    @property
    def photo(self) -> RepairPhoto | None:
        return _photo_of([self.repair])

    @property
    def approval(self) -> Action | None:
        """Return how this person may approve it, or None."""
        ways = (Action.APPROVE, Action.APPROVE_COST)
        return next((action for action in ways if action in self.actions), None)

    @property
    def denial(self) -> Action:
        return Action.DENY_COST if self.approval == Action.APPROVE_COST else Action.DENY

    @property
    def to_approve(self) -> Decimal:
        """Return the US dollars that an approval grants."""
        is_cost = self.repair.status == Status.COST_APPROVAL
        return (self.repair.final_cost if is_cost else self.repair.estimate) or Decimal(0)

    @property
    def waited(self) -> str:
        return _since(self.repair)


@dataclass(frozen=True)
class BatchCard:
    batch: RepairBatch
    repairs: list[Repair]
    may_approve: bool
    is_batch = True

    @property
    def about(self) -> RepairBatch:
        return self.batch

    @property
    def unit(self) -> FleetUnit:
        return self.batch.unit

    @property
    def key(self) -> str:
        """Return the id of its element on a page."""
        return f"batch-{self.batch.pk}"

    @property
    def photo(self) -> RepairPhoto | None:
        return _photo_of(self.repairs)

    @property
    def approval(self) -> Action | None:
        return Action.APPROVE_BATCH if self.may_approve else None

    @property
    def denial(self) -> Action:
        return Action.DENY_BATCH

    @property
    def awaiting(self) -> list[Repair]:
        return [repair for repair in self.repairs if repair.status == Status.AWAITING_APPROVAL]

    @property
    def to_approve(self) -> Decimal:
        """Return the US dollars that an approval of the batch grants."""
        return sum_of(self.awaiting)

    @property
    def waited(self) -> str:
        return _since(self.repairs[0])

    @property
    def has_denied(self) -> bool:
        return any(repair.status == Status.DENIED for repair in self.repairs)

    @property
    def has_unpriced(self) -> bool:
        return any(repair.estimate is None for repair in self.repairs)

    @property
    def total(self) -> Decimal:
        """Return the sum in US dollars of all estimates but the denied ones."""
        return sum_of(repair for repair in self.repairs if repair.status != Status.DENIED)


def repair_card(repair: Repair, profile: Profile) -> RepairCard:
    return RepairCard(repair, actions_for(repair, profile))


def batch_card(batch: RepairBatch, repairs: Iterable[Repair], profile: Profile) -> BatchCard:
    shown = sorted(repairs, key=lambda repair: repair.pk)
    may_approve = any(Action.APPROVE_BATCH in actions_for(repair, profile) for repair in shown)
    return BatchCard(batch, shown, may_approve)


def together(repairs: Iterable[Repair], profile: Profile) -> list[RepairCard | BatchCard]:
    """Return a card for each repair or batch, in the order of their first repairs."""
    piles: dict[tuple[str, int], list[Repair]] = {}
    for repair in repairs:
        piles.setdefault(card_key(repair), []).append(repair)
    return [
        batch_card(pile[0].batch, pile, profile)
        if kind == "batch" and pile[0].batch
        else repair_card(pile[0], profile)
        for (kind, _), pile in piles.items()
    ]


def card_key(repair: Repair) -> tuple[str, int]:
    """Return the card that shows the repair; a higher cost is decided for each repair."""
    if repair.batch_id and repair.status != Status.COST_APPROVAL:
        return "batch", repair.batch_id
    return "repair", repair.pk


def undecided(profile: Profile) -> dict[str, Any]:
    """Return how many repairs wait for the managers of the company, and the sum."""
    waiting, total = Repair.objects.visible_to(profile).undecided().asked_for()
    return {"waiting": waiting, "waiting_total": total}


def in_one_windshield(count: int) -> str:
    return ngettext(
        "{count} break in one windshield", "{count} breaks in one windshield", count
    ).format(count=count)


def now_is(repair: Repair) -> str:
    """Return what an action came to, as in "R-1042 is approved."."""
    status = translated(repair.get_status_display()).lower()
    return gettext("{number} is {status}.").format(number=repair.number, status=status)


def came_to(action: Action, repair: Repair) -> str:
    """Return what a decision came to, and what comes next if the state alone does not say it."""
    match action:
        case Action.APPROVE_COST:
            return gettext(
                "{amount} for {number} is approved. The work was already done: the repair is "
                "completed, and nothing more is needed."
            ).format(amount=format_money(repair.final_cost or Decimal(0)), number=repair.number)
        case Action.DENY_COST:
            return gettext("{number} is in progress again, at the approved cost.").format(
                number=repair.number
            )
    return now_is(repair)


def sum_of(repairs: Iterable[Repair]) -> Decimal:
    """Return the sum of their estimates in US dollars."""
    return sum((repair.estimate or Decimal(0) for repair in repairs), Decimal(0))


def _photo_of(repairs: Iterable[Repair]) -> RepairPhoto | None:
    """Return the newest photo: of what is done, or else of the damage."""
    every = [photo for repair in repairs for photo in repair.photos.all()]
    return max(every, key=lambda photo: (photo.moment, photo.created_at, photo.pk), default=None)


def _since(repair: Repair) -> str:
    """Return for how long the managers have been asked, as in "3 days"; "" if they are not."""
    since: datetime | None = getattr(repair, "waiting_since", None)
    if since is None:
        return ""
    now = timezone.now()
    is_new = now - since < timedelta(minutes=1)
    return gettext("less than a minute") if is_new else timesince(since, now, depth=1)
