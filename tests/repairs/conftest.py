from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from apps.repairs import requesting, services
from apps.repairs.models import (
    Company,
    Damage,
    FleetUnit,
    Position,
    Profile,
    Repair,
    RepairBatch,
    Role,
    Status,
)
from apps.repairs.requesting import Break
from tests.support.people import create_contact
from tests.support.repairs import ESTIMATE, FINAL_COST, HIGHER_COST, REASON, Cast

STARTABLE = {Status.APPROVED, Status.IN_PROGRESS, Status.COST_APPROVAL, Status.COMPLETED}


@pytest.fixture(autouse=True)
def text_messages_are_on(settings: Any) -> None:
    settings.SMS_ENABLED = True


@pytest.fixture
def cast(db: None) -> Cast:
    redwood = Company.objects.create(name="Redwood Freight")
    lakeshore = Company.objects.create(name="Lakeshore Dairy")
    return Cast(
        redwood=redwood,
        unit=_unit(redwood, "417"),
        maria=_person("Maria Alvarez", Role.MANAGER, redwood),
        luis=_person("Luis Romero", Role.MANAGER, redwood),
        lakeshore_unit=_unit(lakeshore, "D1"),
        helen=_person("Helen Park", Role.MANAGER, lakeshore),
        jane=_person("Jane Ortiz", Role.TECHNICIAN),
        tom=_person("Tom Becker", Role.TECHNICIAN),
        sam=_person("Sam Whitaker", Role.OFFICE),
    )


def _unit(company: Company, number: str) -> FleetUnit:
    return FleetUnit.objects.create(
        company=company, number=number, description="2021 Freightliner Cascadia", plate="P 62091"
    )


def _person(name: str, role: Role, company: Company | None = None) -> Profile:
    first, last = name.split()
    user = get_user_model().objects.create_user(first.lower(), first_name=first, last_name=last)
    create_contact(user, f"+1202555{user.pk % 10000:04d}")
    return Profile.objects.create(user=user, role=role, company=company)


@pytest.fixture
def request_repair(cast: Cast) -> Callable[..., Repair]:
    def request(**options: Any) -> Repair:
        given = {
            "by": cast.jane,
            "unit": cast.unit,
            "damage": Damage.STAR_BREAK,
            "position": Position.DRIVER_SIDE,
        }
        return requesting.request_repair(**{**given, **options})

    return request


@pytest.fixture
def repair(cast: Cast, request_repair: Callable[..., Repair]) -> Callable[[Status], Repair]:
    """Create a repair of Redwood's unit, assigned to Jane, with the given status."""

    def reach(status: Status) -> Repair:
        made = request_repair(estimate=None if status == Status.REQUESTED else ESTIMATE)
        if status == Status.DENIED:
            services.deny(made, REASON, by=cast.maria)
        if status in STARTABLE:
            services.approve(made, by=cast.maria)
        if status in (Status.IN_PROGRESS, Status.COST_APPROVAL, Status.COMPLETED):
            services.start(made, by=cast.jane)
        if status == Status.COST_APPROVAL:
            services.complete(made, HIGHER_COST, by=cast.jane, reason=REASON)
        if status == Status.COMPLETED:
            services.complete(made, FINAL_COST, by=cast.jane)
        return made

    return reach


@pytest.fixture
def request_batch(cast: Cast) -> Callable[..., RepairBatch]:
    """Create a batch with a break for each estimate."""

    def request(*estimates: str | None, **options: Any) -> RepairBatch:
        breaks = [
            Break(
                Damage.CHIP,
                Position.CENTER,
                estimate=None if estimate is None else Decimal(estimate),
            )
            for estimate in estimates
        ]
        return requesting.request_batch(
            **{"by": cast.jane, "unit": cast.unit, "breaks": breaks, **options}
        )

    return request
