from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from apps.repairs import requesting
from apps.repairs.models import Company, Damage, FleetUnit, Position, Profile, Repair, Role
from tests.support.people import create_contact


@pytest.fixture(autouse=True)
def _in_memory(memory_providers: None) -> None:
    """Send to the in-memory providers."""


@pytest.fixture
def someone(db: None) -> Callable[..., Profile]:
    def make(name: str, role: Role, company: Company | None = None, **user: Any) -> Profile:
        first, last = name.split()
        users = get_user_model().objects
        made = users.create_user(first.lower(), first_name=first, last_name=last, **user)
        create_contact(made, f"+1202555{made.pk % 10000:04d}")
        return Profile.objects.create(user=made, role=role, company=company)

    return make


@pytest.fixture
def redwood(db: None) -> Company:
    return Company.objects.create(name="Redwood Freight")


@pytest.fixture
def unit(redwood: Company) -> FleetUnit:
    return FleetUnit.objects.create(
        company=redwood, number="417", description="2021 Freightliner", plate="P 62091"
    )


@pytest.fixture
def maria(someone, redwood: Company) -> Profile:
    return someone("Maria Alvarez", Role.MANAGER, redwood)


@pytest.fixture
def luis(someone, redwood: Company) -> Profile:
    return someone("Luis Romero", Role.MANAGER, redwood)


@pytest.fixture
def jane(someone) -> Profile:
    return someone("Jane Ortiz", Role.TECHNICIAN)


@pytest.fixture
def sam(someone) -> Profile:
    """Return the office's Sam, with every right."""
    return someone("Sam Whitaker", Role.OFFICE, is_staff=True, is_superuser=True)


@pytest.fixture
def waiting(unit: FleetUnit, jane: Profile, maria: Profile, luis: Profile) -> Repair:
    """A repair of Jane's that both managers were asked to approve."""
    return requesting.request_repair(
        by=jane,
        unit=unit,
        damage=Damage.STAR_BREAK,
        position=Position.DRIVER_SIDE,
        estimate=Decimal("412.50"),
    )
