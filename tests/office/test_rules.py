from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.core.message import decide, kinds, people
from apps.core.models import Rule
from apps.core.reasons import Reason
from apps.core.services import preferences
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, Priority
from apps.repairs.models import Company, Profile, Role

PAGE = "/admin/core/rule/"


@pytest.fixture
def office(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("sam"))
    return client


@pytest.fixture
def maria(person: Any) -> User:
    maria: User = person()
    company = Company.objects.create(name="Redwood Freight")
    Profile.objects.create(user=maria, role=Role.MANAGER, company=company)
    return maria


def add(office: Client, maria: User, rule: str, category: str = "repair_status") -> None:
    response = office.post(
        f"{PAGE}add/",
        {
            "group": f"company:{maria.profile.company_id}",
            "category": category,
            "channel": Channel.EMAIL,
            "rule": rule,
        },
    )
    assert response.status_code == 302, response.context["errors"]


def test_a_rule_is_recorded_with_who_made_it_and_binds_the_company(
    office: Client, maria: User
) -> None:
    add(office, maria, "forced_off")
    rule = Rule.objects.get()
    assert rule.by is not None
    assert (rule.by.username, rule.at <= timezone.now()) == ("sam", True)
    kind = next(k for k in kinds.REGISTRY.values() if k.category.name == "repair_status")
    found = decide.switch(kind, people.load([maria.pk])[maria.pk], Channel.EMAIL)
    assert found.reason == Reason.COMPANY_FORCED_OFF
    page = office.get(PAGE).content.decode()
    assert "Redwood Freight" in page


def test_a_rule_and_its_end_decide_again_about_what_is_held(
    office: Client, maria: User, woken: list[Any]
) -> None:
    preferences.pause(maria, timezone.now() + timedelta(hours=5))
    [row] = NotificationService().notify(
        "repair_in_progress",
        maria,
        kinds.get("repair_in_progress").sample.model_dump(mode="json"),
        priority=Priority.MEDIUM,
    )
    assert row.deliveries.get().state == DeliveryState.HELD
    add(office, maria, "forced_off")
    assert row.deliveries.get().state == DeliveryState.SKIPPED


def test_an_unknown_company_or_category_is_refused(office: Client, maria: User) -> None:
    answer = office.post(
        f"{PAGE}add/",
        {"group": "company:0", "category": "x", "channel": "email", "rule": "forced_on"},
    )
    assert answer.status_code == 200
    assert set(answer.context["adminform"].form.errors) == {"group", "category"}
