from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from apps.core.delivery.attempt import attempt
from apps.core.models import Contact, Delivery


@pytest.fixture
def office(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("sam"))
    return client


@pytest.mark.parametrize("model", ["notification", "delivery", "contact", "smsspend"])
def test_each_list_opens_and_is_searched(
    office: Client, delivery: Callable[..., Delivery], model: str
) -> None:
    row = delivery()
    attempt(row.pk)
    for query in ("", "?q=person1", f"?q={row.pk}"):
        assert office.get(f"/admin/core/{model}/{query}").status_code == 200


def test_a_deliverys_page_shows_its_log_and_cannot_be_changed(
    office: Client, delivery: Callable[..., Delivery]
) -> None:
    row = delivery()
    attempt(row.pk)
    page = office.get(f"/admin/core/delivery/{row.pk}/change/")
    for words in ("Calling the provider", "Accepted by the provider", "memory-1"):
        assert words in page.content.decode()
    assert office.post(f"/admin/core/delivery/{row.pk}/change/", {}).status_code == 403
    assert office.get("/admin/core/delivery/add/").status_code == 403
    assert office.post(f"/admin/core/delivery/{row.pk}/delete/").status_code == 403


def test_a_notifications_page_lists_its_deliveries(
    office: Client, delivery: Callable[..., Delivery]
) -> None:
    row = delivery()
    page = office.get(f"/admin/core/notification/{row.notification_id}/change/")
    assert f"/admin/core/delivery/{row.pk}/change/" in page.content.decode()


@pytest.mark.parametrize(
    ("action", "current", "verified"),
    [
        ("confirm_email", "email", "verified_email"),
        ("confirm_phone", "phone", "verified_phone"),
    ],
)
def test_the_office_confirms_an_address(
    office: Client, person: Callable[..., User], action: str, current: str, verified: str
) -> None:
    contact = person(**{verified: ""}).contact
    office.post(
        "/admin/core/contact/", {"action": action, "_selected_action": [contact.pk]}, follow=True
    )
    contact = Contact.objects.get(pk=contact.pk)
    assert getattr(contact, verified) == getattr(contact, current) != ""


def settle(office: Client, action: str, *rows: Delivery) -> None:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    office.post("/admin/core/delivery/", chosen, follow=True)


def test_staff_send_again_unknown_and_exhausted_deliveries_only(
    office: Client, delivery: Callable[..., Delivery], story: Callable[[Delivery], list[str]]
) -> None:
    left = delivery(state="unknown", next_attempt_at=None)
    given_up = delivery(state="exhausted", failures=9, reason="busy", finished_at=timezone.now())
    accepted = delivery(state="accepted", next_attempt_at=None)
    settle(office, "send_again", left, given_up, accepted)
    for row in (left, given_up):
        attempt(row.pk)
        row.refresh_from_db()
        assert (row.state, row.failures, row.reason) == ("accepted", 0, "")
        assert story(row) == ["resend", "calling", "accepted"]
    assert story(accepted) == []
    line = left.log.first()
    assert line is not None
    assert line.detail == "by sam"


def test_staff_mark_an_unknown_delivery_as_arrived(
    office: Client, delivery: Callable[..., Delivery]
) -> None:
    unknown, due = delivery(state="unknown"), delivery()
    settle(office, "mark_as_arrived", unknown, due)
    assert Delivery.objects.get(pk=unknown.pk).state == "accepted"
    assert Delivery.objects.get(pk=due.pk).state == "due"


def test_view_only_staff_cannot_settle_a_delivery(
    client: Client, delivery: Callable[..., Delivery]
) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    client.force_login(reader)
    unknown = delivery(state="unknown")
    settle(client, "mark_as_arrived", unknown)
    assert Delivery.objects.get(pk=unknown.pk).state == "unknown"


def test_the_admin_has_the_sites_icon(office: Client) -> None:
    assert '<link rel="icon" href="/static/favicon.svg"' in office.get("/admin/").content.decode()
