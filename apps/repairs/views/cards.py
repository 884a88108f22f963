"""A repair or a batch as one person sees it, with the actions that they may take now."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ..models import Profile, Repair, RepairBatch, Status
from ..permissions import Action, actions_for


@dataclass(frozen=True)
class RepairCard:
    repair: Repair
    actions: list[Action]
    is_batch = False

    @property
    def pictured(self) -> list[Repair]:
        return [self.repair]


@dataclass(frozen=True)
class BatchCard:
    batch: RepairBatch
    repairs: list[Repair]
    may_approve: bool
    is_batch = True

    @property
    def key(self) -> str:
        return str(self.batch.pk)

    @property
    def awaiting(self) -> list[Repair]:
        return [repair for repair in self.repairs if repair.status == Status.AWAITING_APPROVAL]

    @property
    def to_approve(self) -> Decimal:
        """Return the US dollars that an approval of the batch grants."""
        return _sum(self.awaiting)

    @property
    def has_denied(self) -> bool:
        return any(repair.status == Status.DENIED for repair in self.repairs)

    @property
    def has_unpriced(self) -> bool:
        return any(repair.estimate is None for repair in self.repairs)

    @property
    def total(self) -> Decimal:
        """Return the sum in US dollars of all estimates but the denied ones."""
        return _sum(repair for repair in self.repairs if repair.status != Status.DENIED)


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


def _sum(repairs: Iterable[Repair]) -> Decimal:
    return sum((repair.estimate or Decimal(0) for repair in repairs), Decimal(0))
