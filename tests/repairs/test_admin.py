from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.repairs.models import Repair, RepairBatch
from tests.support.repairs import Cast

MODELS = ["company", "fleetunit", "profile", "repair", "repairbatch"]


@pytest.fixture
def batch(request_batch: Callable[..., RepairBatch]) -> RepairBatch:
    return request_batch("65.00", "95.00")


@pytest.mark.parametrize("model", MODELS)
def test_each_list_opens_and_is_searched(
    model: str, batch: RepairBatch, admin_client: Client
) -> None:
    url = reverse(f"admin:repairs_{model}_changelist")
    assert admin_client.get(url).status_code == 200
    assert admin_client.get(url, {"q": "417"}).status_code == 200


def test_a_repair_is_found_by_its_number(batch: RepairBatch, admin_client: Client) -> None:
    repair = batch.repairs.order_by("pk")[0]
    url = reverse("admin:repairs_repair_changelist")
    answer = admin_client.get(url, {"q": repair.number})
    assert [row.pk for row in answer.context["cl"].result_list] == [repair.pk]


def test_a_repairs_admin_page_shows_its_history_and_is_read_only(
    batch: RepairBatch, cast: Cast, admin_client: Client
) -> None:
    repair = batch.repairs.order_by("pk")[0]
    url = reverse("admin:repairs_repair_change", args=[repair.pk])
    assert "Submitted for approval" in admin_client.get(url).text
    assert admin_client.post(url, {"status": "approved"}).status_code == 403
    assert Repair.objects.get(pk=repair.pk).status == "awaiting_approval"
