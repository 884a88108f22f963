from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from apps.core.addresses import shown
from apps.core.models import ChannelStop, Contact, Delivery, Suppression
from apps.core.states import Channel
from apps.repairs.models import Repair
from tests.support.attempts import attempt


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


# --- Search -------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["notification", "delivery", "contact"])
@pytest.mark.parametrize(
    "words",
    ["Jane", "Ortiz", "jane ortiz", "jane@fleet.example", "+12025550123", "(202) 555-0123"],
)
def test_a_person_is_found_by_name_address_and_number(
    office: Client,
    delivery: Callable[..., Delivery],
    person: Callable[..., User],
    model: str,
    words: str,
) -> None:
    jane = person(email="jane@fleet.example", phone="+12025550123")
    User.objects.filter(pk=jane.pk).update(first_name="Jane", last_name="Ortiz")
    delivery(recipient=jane)
    delivery()
    assert len(found(office, model, words)) == 1


@pytest.mark.parametrize("model", ["notification", "delivery"])
def test_the_messages_about_a_batch_are_found_by_each_of_its_repairs(
    office: Client, delivery: Callable[..., Delivery], batched: Repair, model: str
) -> None:
    assert batched.batch
    delivery()
    everything = found(office, model, "")
    for words in (batched.number, batched.number.lower(), batched.batch.number):
        rows = found(office, model, words)
        assert 0 < len(rows) < len(everything)


def found(office: Client, model: str, words: str) -> list[Model]:
    answer = office.get(f"/admin/core/{model}/", {"q": words})
    return list(answer.context["cl"].result_list)


# --- What the lists say -------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["/admin/core/delivery/", "delivery", "notification"])
def test_a_delivery_of_a_stopped_channel_says_that_it_waits(
    office: Client, delivery: Callable[..., Delivery], page: str
) -> None:
    row = delivery()
    if page == "delivery":
        page = f"/admin/core/delivery/{row.pk}/change/"
    elif page == "notification":
        page = f"/admin/core/notification/{row.notification_id}/change/"
    assert "is stopped" not in office.get(page).content.decode()
    ChannelStop.objects.create(channel=Channel.EMAIL, reason="denied")
    assert "Waits: e-mail is stopped" in office.get(page).content.decode()
    Delivery.objects.update(state="accepted")
    assert "Waits" not in office.get(page).content.decode()


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"email": "new@fleet.example"}, "gets no e-mail from now on: e-mail address is not"),
        ({"phone": "+12025550199"}, "gets no text messages from now on: mobile number is not"),
        ({"phone": ""}, "gets no text messages from now on: has no mobile number"),
        ({"wants_email": ""}, "gets no e-mail from now on: wants no e-mail"),
        ({"time_zone": "America/Denver"}, ""),
    ],
)
def test_a_change_that_ends_a_persons_messages_is_said(
    office: Client, person: Callable[..., User], changes: dict[str, str], warning: str
) -> None:
    contact = person().contact
    form = {
        "user": contact.user_id,
        "email": contact.email,
        "initial-wants_email": "True",
        "wants_email": "on",
        "phone": contact.phone,
        "initial-sms_opt_in": "True",
        "sms_opt_in": "on",
        "time_zone": contact.time_zone,
        **changes,
    }
    url = f"/admin/core/contact/{contact.pk}/change/"
    shown = office.post(url, {k: v for k, v in form.items() if v}, follow=True).content.decode()
    assert "was changed successfully" in shown
    assert (warning or "from now on") in shown if warning else "from now on" not in shown


def change_contact(office: Client, contact: Contact, **changes: str) -> str:
    form = {
        "user": str(contact.user_id),
        "email": contact.email,
        "initial-wants_email": "True",
        "wants_email": "on",
        "phone": contact.phone,
        "initial-sms_opt_in": str(contact.sms_opt_in),
        "time_zone": contact.time_zone,
        **({"sms_opt_in": "on"} if contact.sms_opt_in else {}),
        **changes,
    }
    url = f"/admin/core/contact/{contact.pk}/change/"
    return office.post(url, form, follow=True).content.decode()


def test_a_changed_address_gets_its_confirmation_and_the_old_one_is_told(
    office: Client, person: Callable[..., User]
) -> None:
    contact = person().contact
    old = contact.email
    said = change_contact(
        office,
        contact,
        email="new@fleet.example",
        phone="(202) 555-0199",
        send_confirmation="on",
    )
    assert "A link is on its way to new@fleet.example." in said
    assert "A code is on its way to (202) 555-0199." in said
    assert "gets no e-mail from now on" in said
    assert "choose the contact in this list" not in said
    told = Delivery.objects.filter(notification__kind="address_changed")
    assert set(told.values_list("direct_to", flat=True)) == {old, contact.phone}
    asked = Delivery.objects.filter(notification__kind__startswith="confirm_")
    assert set(asked.values_list("direct_to", flat=True)) == {"new@fleet.example", "+12025550199"}
    contact.refresh_from_db()
    assert (contact.phone, contact.verified_phone, contact.verified_email) == (
        "+12025550199",
        "",
        "",
    )


def test_a_consent_that_the_office_records_says_so(
    office: Client, person: Callable[..., User]
) -> None:
    contact = person(sms_opt_in=False).contact
    change_contact(office, contact, sms_opt_in="on")
    contact.refresh_from_db()
    assert (contact.sms_opt_in, contact.sms_via) == (True, "office")
    assert contact.sms_agreed_to == "Recorded at the office by sam."
    page = office.get(f"/admin/core/contact/{contact.pk}/change/").content.decode()
    assert "Recorded at the office by sam." in page


def test_the_office_sends_the_confirmation_of_what_is_not_confirmed(
    office: Client, person: Callable[..., User]
) -> None:
    contact = person(verified_phone="").contact
    chosen = {"action": "send_confirmations", "_selected_action": [contact.pk]}
    said = office.post("/admin/core/contact/", chosen, follow=True).content.decode()
    assert f"A code is on its way to {shown(contact.phone)}." in said
    [row] = Delivery.objects.all()
    assert (row.channel, row.direct_to) == (Channel.SMS, contact.phone)
    for _ in range(3):
        said = office.post("/admin/core/contact/", chosen, follow=True).content.decode()
    assert "That was asked for too often." in said
    Suppression.objects.create(channel=Channel.SMS, address=contact.phone, reason="bounce")
    said = office.post("/admin/core/contact/", chosen, follow=True).content.decode()
    assert f"Nothing is sent to {shown(contact.phone)}: it is suppressed." in said


# --- Who may do what ----------------------------------------------------------------------------
def models() -> list[tuple[str, str]]:
    return sorted(
        (each._meta.app_label, str(each._meta.model_name)) for each in admin.site._registry
    )


def actions() -> Iterator[tuple[str, str, str]]:
    for app, model in models():
        page = admin.site._registry[admin_model(app, model)]
        for action in [*(page.actions or []), "delete_selected"]:
            yield app, model, str(action)


def admin_model(app: str, model: str) -> type[Model]:
    return apps.get_model(app, model)


def everything() -> dict[str, list[object]]:
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in admin.site._registry
    }


@pytest.mark.parametrize(("app", "model", "action"), list(actions()))
@pytest.mark.parametrize("role", ["viewer", "staff", "manager"])
def test_an_action_of_the_admin_needs_more_than_the_right_to_view(
    client: Client, rows: None, app: str, model: str, action: str, role: str
) -> None:
    sign_in(client, role)
    before = everything()
    keys = [row.pk for row in admin_model(app, model)._default_manager.all()]
    assert keys or model in ("group", "providerevent", "rule")
    chosen = {"action": action, "_selected_action": keys, "post": "yes"}
    client.post(f"/admin/{app}/{model}/", chosen, follow=True)
    for key in keys:
        # The same actions are buttons on each row's page.
        client.post(f"/admin/{app}/{model}/{key}/do/{action}/")
    assert everything() == before


@pytest.mark.parametrize(("app", "model", "action"), list(actions()))
def test_view_only_staff_are_offered_no_action(
    client: Client, rows: None, app: str, model: str, action: str
) -> None:
    sign_in(client, "viewer")
    answer = client.get(f"/admin/{app}/{model}/")
    assert answer.status_code == 200
    assert f'value="{action}"' not in answer.content.decode()


@pytest.mark.parametrize(
    ("app", "model"),
    sorted({(m._meta.app_label, m._meta.model_name) for m in admin.site._registry}),
)
@pytest.mark.parametrize("role", ["viewer", "staff", "manager", "anonymous"])
def test_no_page_of_the_admin_changes_a_row_without_permission(
    client: Client, rows: None, app: str, model: str, role: str
) -> None:
    sign_in(client, role)
    before = everything()
    row = admin_model(app, model)._default_manager.first()
    may_view = role == "viewer"
    base = f"/admin/{app}/{model}/"
    assert (client.get(base).status_code == 200) is may_view
    pages = ["add/"] + ([f"{row.pk}/change/", f"{row.pk}/delete/"] if row else [])
    for page in pages:
        answer = client.post(base + page, {"post": "yes"})
        assert answer.status_code in (302, 403)
        assert answer.status_code == 403 or "/login/" in answer.headers["Location"]
    if row:
        answer = client.get(f"{base}{row.pk}/change/")
        assert (answer.status_code == 200) is may_view
    assert everything() == before


def sign_in(client: Client, role: str) -> None:
    """Sign in as staff who may view everything, as staff without rights, or as a manager."""
    if role == "anonymous":
        return
    if role == "manager":
        client.force_login(User.objects.get(username="maria"))
        return
    user = User.objects.create_user(role, is_staff=True)
    if role == "viewer":
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    # last_login would otherwise differ before and after.
    client.force_login(user)
