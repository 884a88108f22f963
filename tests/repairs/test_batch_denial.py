"""A whole batch denied with one reason, and taken back."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.message import rendering
from apps.core.models import Notification
from apps.repairs import services
from apps.repairs.exceptions import AlreadyDone, NotAllowed
from apps.repairs.models import RepairBatch, Status
from apps.repairs.undo import undo
from tests.support.repairs import REASON, Cast, told

MakeBatch = Callable[..., RepairBatch]


def statuses(batch: RepairBatch) -> set[str]:
    return set(batch.repairs.values_list("status", flat=True))


def test_each_technician_is_told_once_with_the_reason(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00", "95.00", "240.00")
    services.assign(batch.repairs.latest("pk"), cast.tom, by=cast.sam)
    events = services.deny_batch(batch, REASON, by=cast.maria)
    assert statuses(batch) == {Status.DENIED}
    assert {event.note for event in events} == {REASON}
    assert told("repair_denied") == [("jane", "repair_denied"), ("tom", "repair_denied")]
    message = Notification.objects.get(kind="repair_denied", recipient=cast.jane.user)
    assert message.about == batch
    assert message.context["job"]["damage"] == "2 breaks"
    assert message.context["reason"] == REASON
    email = rendering.email(message)
    assert "denied the repairs" in email.text
    assert "Do not work on these breaks." in email.text
    assert "Open the batch: " in email.text
    alone = Notification.objects.get(kind="repair_denied", recipient=cast.tom.user)
    shown = rendering.email(alone).text
    assert "denied the repair." in shown
    assert f"“{REASON}”\nMaria Alvarez" in shown


def test_nothing_asks_about_the_batch_afterwards(cast: Cast, request_batch: MakeBatch) -> None:
    services.deny_batch(request_batch("65.00", "95.00"), REASON, by=cast.maria)
    asking = Notification.objects.filter(kind__in=["repair_pending_approval", "repair_assigned"])
    assert asking.exists()
    assert not asking.filter(settled_at=None).exists()


def test_breaks_that_were_decided_before_stay_as_they_are(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("65.00", "95.00")
    services.deny(batch.repairs.earliest("pk"), "Too dear.", by=cast.luis)
    [event] = services.deny_batch(batch, REASON, by=cast.maria)
    assert list(batch.repairs.order_by("pk").values_list("denial_reason", flat=True)) == [
        "Too dear.",
        REASON,
    ]
    assert undo(event, by=cast.maria) == event.repair
    assert statuses(batch) == {Status.DENIED, Status.AWAITING_APPROVAL}


def test_it_is_undone_as_a_whole(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00", "95.00")
    events = services.deny_batch(batch, REASON, by=cast.maria)
    assert undo(events[0], by=cast.maria) == batch
    assert statuses(batch) == {Status.AWAITING_APPROVAL}
    assert set(batch.repairs.values_list("denial_reason", flat=True)) == {""}
    [message] = Notification.objects.filter(kind="repair_denied")
    assert message.settled_because == "undone by Maria Alvarez"


@pytest.mark.parametrize("name", ["helen", "jane", "sam"])
def test_only_a_manager_of_the_company_may(cast: Cast, request_batch: MakeBatch, name: str) -> None:
    batch = request_batch("65.00", "95.00")
    with pytest.raises(NotAllowed):
        services.deny_batch(batch, REASON, by=getattr(cast, name))
    assert statuses(batch) == {Status.AWAITING_APPROVAL}


def test_a_second_decision_tells_who_was_first(cast: Cast, request_batch: MakeBatch) -> None:
    batch = request_batch("65.00", "95.00")
    services.approve_batch(batch, by=cast.luis)
    with pytest.raises(AlreadyDone, match=f"{batch.number} was already approved by Luis Romero"):
        services.deny_batch(batch, REASON, by=cast.maria)


def test_the_page_denies_after_a_reason_was_given(cast: Cast, request_batch: MakeBatch) -> None:
    batch, client = request_batch("65.00", "95.00"), Client()
    client.force_login(cast.maria.user)
    url = reverse("repairs:deny-batch", args=[batch.pk])
    assert url in client.get(batch.get_absolute_url()).content.decode()
    refused = client.post(url, {"reason": " "}).content.decode()
    assert "Give the reason" in refused
    assert statuses(batch) == {Status.AWAITING_APPROVAL}
    answer = client.post(url, {"reason": REASON}, follow=True)
    assert answer.redirect_chain == [(batch.get_absolute_url(), 302)]
    assert f"{batch.number} is denied." in answer.content.decode()
    assert statuses(batch) == {Status.DENIED}
    assert client.get(url).headers["Location"] == batch.get_absolute_url()
