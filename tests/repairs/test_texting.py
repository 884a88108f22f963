"""The limits of text messages per person, per company and hour."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Notification
from apps.core.states import Priority
from apps.repairs import services
from apps.repairs.models import Repair, RepairBatch, RepairEvent, Status
from tests.support.repairs import ESTIMATE, Cast

Make = Callable[..., Repair]


@pytest.fixture(autouse=True)
def limits(settings: Any) -> Any:
    """Allow two texts of a person and five of a company; each request has two managers."""
    settings.SMS_LIMIT_PER_PERSON_H = 2
    settings.SMS_LIMIT_PER_COMPANY_H = 5
    return settings


def priorities(kind: str) -> list[Priority]:
    rows = Notification.objects.filter(kind=kind).order_by("created_at", "recipient__username")
    return [Priority(priority) for priority in rows.values_list("priority", flat=True)]


def test_above_the_limit_of_a_person_people_are_told_without_texts(request_repair: Make) -> None:
    for _ in range(3):
        request_repair(estimate=ESTIMATE)
    expected = [Priority.HIGH] * 2 + [Priority.MEDIUM] * 4
    assert priorities("repair_pending_approval") == expected


def test_above_the_limit_of_a_company_people_are_told_without_texts(
    cast: Cast, request_repair: Make
) -> None:
    for by in (cast.jane, cast.tom, cast.sam):
        request_repair(by=by, estimate=ESTIMATE)
    expected = [Priority.HIGH] * 4 + [Priority.MEDIUM] * 2
    assert priorities("repair_pending_approval") == expected
    request_repair(by=cast.sam, unit=cast.lakeshore_unit, estimate=ESTIMATE)
    assert priorities("repair_pending_approval")[-1] == Priority.HIGH


def test_the_limits_count_the_last_hour_only(request_repair: Make) -> None:
    request_repair(estimate=ESTIMATE)
    RepairEvent.objects.update(at=timezone.now() - timedelta(minutes=61))
    request_repair(estimate=ESTIMATE)
    assert set(priorities("repair_pending_approval")) == {Priority.HIGH}


def test_urgent_messages_count_and_are_limited_too(cast: Cast, request_repair: Make) -> None:
    for _ in range(3):
        repair = request_repair(by=cast.sam, technician=cast.tom)
        Repair.objects.filter(pk=repair.pk).update(
            status=Status.AWAITING_APPROVAL, estimate=ESTIMATE
        )
        services.approve(repair, by=cast.maria)
    assert priorities("repair_approved") == [Priority.URGENT] * 2 + [Priority.MEDIUM]


def test_a_batch_counts_each_person_once(
    cast: Cast, request_batch: Callable[..., RepairBatch]
) -> None:
    request_batch("100.00", "50.00", "75.00")
    assert sum(RepairEvent.objects.values_list("texts", flat=True)) == 2


def test_messages_without_texts_are_not_counted(cast: Cast, repair: Make, limits: Any) -> None:
    limits.SMS_LIMIT_PER_PERSON_H = limits.SMS_LIMIT_PER_COMPANY_H = 100
    services.start(repair(Status.APPROVED), by=cast.jane)
    assert RepairEvent.objects.get(action="started").texts == 0


def test_nothing_is_limited_while_text_messages_are_off(request_repair: Make, limits: Any) -> None:
    limits.SMS_ENABLED = False
    for _ in range(3):
        request_repair(estimate=ESTIMATE)
    assert set(priorities("repair_pending_approval")) == {Priority.HIGH}


def test_the_user_is_told_of_the_limit_and_the_request_is_made(cast: Cast, client: Client) -> None:
    client.force_login(cast.jane.user)
    given = {
        "unit": cast.unit.pk,
        "break-TOTAL_FORMS": "1",
        "break-INITIAL_FORMS": "1",
        "break-0-damage": "chip",
        "break-0-position": "center",
        "break-0-estimate": "100",
    }
    answer = client.post(reverse("repairs:request"), given, follow=True)
    shown = answer.content.decode()
    assert f"{Repair.objects.get().number} is requested." in shown
    assert "Your actions have reached the limit of 2 text messages an hour. Until" in shown
    assert "by e-mail and in the app instead." in shown
