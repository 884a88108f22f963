from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from apps.core.models import ChannelStop, Contact, Delivery, SetAside, SMSSpend, Suppression
from apps.core.states import Channel
from apps.office import group
from apps.repairs import requesting
from apps.repairs.models import Company, Damage, FleetUnit, Position, Profile, Repair, Role
from apps.repairs.requesting import Break


@pytest.fixture(autouse=True)
def _in_memory(memory_providers: None) -> None:
    """Send to the in-memory providers."""


@pytest.fixture
def clerk(client: Client, db: None) -> User:
    """Return a member of the office's staff, who is signed in."""
    user = User.objects.create_user("clerk", first_name="Kim", is_staff=True)
    user.groups.add(Group.objects.get(name=group.NAME))
    client.force_login(user)
    return user


@pytest.fixture
def batched(db: None) -> Repair:
    """Return a repair of a batch, whose manager was notified about the batch."""
    company = Company.objects.create(name="Redwood Freight")
    unit = FleetUnit.objects.create(
        company=company, number="417", description="2021 Volvo", plate="P 6"
    )
    jane, maria = User.objects.create_user("jane"), User.objects.create_user("maria")
    technician = Profile.objects.create(user=jane, role=Role.TECHNICIAN)
    Profile.objects.create(user=maria, role=Role.MANAGER, company=company)
    broken = Break(Damage.CHIP, Position.CENTER, estimate=Decimal(100))
    requesting.request_batch(by=technician, unit=unit, breaks=[broken, broken])
    return Repair.objects.order_by("pk")[1]


@pytest.fixture
def rows(delivery: Callable[..., Delivery], batched: Repair) -> None:
    """Make at least one row of every model with actions."""
    delivery(state="unknown", next_attempt_at=None)
    Contact.objects.update(verified_email="", verified_phone="")
    Suppression.objects.create(channel=Channel.EMAIL, address="a@b.example", reason="bounce")
    ChannelStop.objects.create(channel=Channel.EMAIL, reason="denied")
    SMSSpend.objects.get_or_create(month="2026-01-01")
    SetAside.objects.create(via="queue", text="{", problem="no JSON")
