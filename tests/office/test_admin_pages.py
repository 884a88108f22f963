"""One row's page in the admin: its actions, what it says, and what it loads."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.message import kinds
from apps.core.models import (
    ChannelStop,
    Choice,
    Delivery,
    Notification,
    ProviderEvent,
    Suppression,
)
from apps.core.models.channel_stop import StopCause
from apps.core.services import verification
from apps.core.states import Channel, DeliveryState, LogEvent
from apps.repairs.models import Company, FleetUnit, Profile, Repair, Role
from apps.site import history
from tests.support.queries import statements

pytestmark = pytest.mark.sqlite

Make = Callable[..., Delivery]
MOST_QUERIES = 12


def page_of(row: Delivery | Suppression | ChannelStop | object) -> str:
    meta = row._meta  # type: ignore[union-attr]
    return f"/admin/{meta.app_label}/{meta.model_name}/{row.pk}/"  # type: ignore[union-attr]


def shown(client: Client, row: object) -> str:
    return client.get(f"{page_of(row)}change/").content.decode()


def offered(client: Client, row: object) -> set[str]:
    return set(re.findall(r'<form method="post" action="[^"]*/do/(\w+)/"', shown(client, row)))


# --- Actions ------------------------------------------------------------------------------------
def test_a_delivery_is_sent_again_from_its_own_page(
    client: Client, clerk: User, delivery: Make
) -> None:
    row = delivery(state="exhausted", failures=9, reason="busy", finished_at=timezone.now())
    answer = client.post(f"{page_of(row)}do/send_again/", follow=True)
    assert answer.redirect_chain == [(f"{page_of(row)}change/", 302)]
    assert "1 of 1 deliveries will be sent again." in answer.content.decode()
    row.refresh_from_db()
    assert (row.state, row.failures) == ("due", 0)


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        ("unknown", {"send_again", "mark_as_arrived"}),
        ("bounced", {"send_again"}),
        ("delivered", set()),
        ("due", set()),
    ],
)
def test_a_page_offers_the_actions_that_fit(
    client: Client, clerk: User, delivery: Make, state: str, actions: set[str]
) -> None:
    assert offered(client, delivery(state=state)) == actions


def test_a_suppression_is_lifted_from_its_own_page(client: Client, clerk: User) -> None:
    row = Suppression.objects.create(channel=Channel.EMAIL, address="a@b.example", reason="bounce")
    assert offered(client, row) == {"lift"}
    client.post(f"{page_of(row)}do/lift/")
    row.refresh_from_db()
    assert row.lifted_by == "clerk"
    assert offered(client, row) == set()


def test_a_pause_is_ended_from_its_own_page(client: Client, clerk: User) -> None:
    row = ChannelStop.objects.create(channel=Channel.EMAIL, cause=StopCause.PERSON, reason="test")
    assert offered(client, row) == {"resume"}
    answer = client.post(f"{page_of(row)}do/resume/", follow=True)
    assert not ChannelStop.objects.exists()
    assert answer.redirect_chain == [("/admin/core/channelstop/", 302)]
    assert "1 pauses ended" in answer.content.decode()


def test_a_stop_by_the_provider_is_tried_but_not_resumed(client: Client, clerk: User) -> None:
    row = ChannelStop.objects.create(channel=Channel.EMAIL, reason="denied")
    assert offered(client, row) == {"try_now"}
    client.post(f"{page_of(row)}do/resume/")
    assert ChannelStop.objects.filter(pk=row.pk).exists()
    assert not LogEntry.objects.exists()
    client.post(f"{page_of(row)}do/try_now/")
    assert ChannelStop.objects.get().probe_at is not None
    [entry] = LogEntry.objects.all()
    assert (entry.user, entry.get_change_message()) == (clerk, "Had E-mail tried at once")


def test_who_resumes_what_the_reputation_held_back_is_logged(client: Client, clerk: User) -> None:
    row = ChannelStop.objects.create(channel=Channel.EMAIL, cause=StopCause.REPUTATION)
    client.post(f"{page_of(row)}do/try_now/")
    assert not ChannelStop.objects.exists()
    [entry] = LogEntry.objects.all()
    assert (entry.user, entry.get_change_message()) == (clerk, "Resumed E-mail")


def test_a_contact_is_confirmed_from_its_own_page(
    client: Client, clerk: User, person: Callable[..., User]
) -> None:
    contact = person(verified_phone="").contact
    assert offered(client, contact) == {"confirm_phone", "send_confirmations"}
    client.post(f"{page_of(contact)}do/confirm_phone/")
    contact.refresh_from_db()
    assert contact.verified_phone == contact.phone
    assert offered(client, contact) == set()
    client.post(f"{page_of(contact)}do/confirm_phone/")
    [change] = history.of(contact.user, 10)
    assert (change.what, change.by) == ("Confirmed the mobile number", clerk)


def test_no_action_runs_by_a_link_or_without_a_token(clerk: User, delivery: Make) -> None:
    row = delivery(state="unknown", next_attempt_at=None)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(clerk)
    url = f"{page_of(row)}do/send_again/"
    assert strict.get(url).status_code == 405
    assert strict.post(url).status_code == 403
    row.refresh_from_db()
    assert row.state == "unknown"
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', shown(strict, row))
    assert token
    assert strict.post(url, {"csrfmiddlewaretoken": token[1]}).status_code == 302
    row.refresh_from_db()
    assert row.state == "due"


@pytest.mark.parametrize("name", ["send_again", "delete_selected", "nonsense"])
def test_who_may_only_look_runs_no_action(client: Client, delivery: Make, name: str) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    client.force_login(reader)
    row = delivery(state="unknown")
    assert client.post(f"{page_of(row)}do/{name}/").status_code == 403
    assert offered(client, row) == set()
    row.refresh_from_db()
    assert row.state == "unknown"


def test_an_action_of_a_row_that_is_gone_is_not_found(client: Client, clerk: User) -> None:
    assert client.post("/admin/core/contact/999/do/confirm_email/").status_code == 404


def test_the_list_keeps_its_filters_after_an_action(
    client: Client, clerk: User, delivery: Make
) -> None:
    row = delivery(state="bounced")
    kept = "_changelist_filters=state__exact%3Dbounced"
    page = client.get(f"{page_of(row)}change/?{kept}").content.decode()
    assert f"do/send_again/?{kept}" in page
    answer = client.post(f"{page_of(row)}do/send_again/?{kept}")
    assert answer.headers["Location"] == f"{page_of(row)}change/?{kept}"


# --- What the pages say -------------------------------------------------------------------------
def test_a_delivery_shows_its_recipient_and_the_words_that_were_sent(
    client: Client, clerk: User, delivery: Make
) -> None:
    mail, text = delivery(), delivery(Channel.SMS)
    contact = mail.notification.recipient.contact
    page = shown(client, mail)
    assert f'href="/admin/core/contact/{contact.pk}/change/"' in page
    assert contact.email in page
    words = re.search(r'class="as-sent"><b>([^<]+)</b><div>([^<]+)<', page)
    assert words
    assert words[1] != "Approved"
    short = re.search(r'class="as-sent"><b></b><div>([^<]+)<', shown(client, text))
    assert short
    assert len(short[1]) <= 160


def test_a_code_is_hidden_on_the_delivery_s_page(
    client: Client, clerk: User, person: Callable[..., User]
) -> None:
    contact = person(verified_phone="").contact
    verification.send(contact, Channel.SMS)
    row = Delivery.objects.get()
    sent = re.search(r'class="as-sent"><b></b><div>([^<]+)<', shown(client, row))
    assert sent
    assert not re.search(r"\b\d{6}\b", sent[1])
    assert sent[1].startswith("------ is your RS Systems code.")


@pytest.mark.parametrize("changes", [{"kind": "gone"}, {"context": {}}])
def test_a_delivery_whose_kind_has_changed_shows_the_stored_words(
    client: Client, clerk: User, delivery: Make, changes: dict[str, object]
) -> None:
    row = delivery()
    Notification.objects.update(title="An old title", text="An old text", **changes)
    page = shown(client, row)
    assert "<b>An old title</b><div>An old text</div>" in page


def test_a_contact_shows_its_confirmation_suppression_and_choices(
    client: Client, clerk: User, person: Callable[..., User]
) -> None:
    contact = person(verified_phone="").contact
    category = next(each.category for each in kinds.REGISTRY.values() if not each.category.is_fixed)
    Choice.objects.create(
        user=contact.user, category=category.name, channel="email", setting="off", via="page"
    )
    row = Suppression.objects.create(channel="email", address=contact.email, reason="bounce")
    page = shown(client, contact)
    assert f'Confirmed; <a class="text-link" href="{page_of(row)}change/">suppressed' in page
    assert "Not confirmed" in page
    assert f"E-mail, {category.label}: Off (on the account page, " in page
    assert f'href="/account/of/{contact.user_id}/"' in page


@pytest.mark.parametrize("words", ["Ortiz", "jane@fleet.example", "(202) 555-0123"])
def test_a_suppression_is_found_by_its_owner(
    client: Client, clerk: User, person: Callable[..., User], words: str
) -> None:
    jane = person(email="jane@fleet.example", phone="+12025550123")
    User.objects.filter(pk=jane.pk).update(first_name="Jane", last_name="Ortiz")
    for channel, address in (("email", "jane@fleet.example"), ("sms", "+12025550123")):
        Suppression.objects.create(channel=channel, address=address, reason="bounce")
    Suppression.objects.create(channel="email", address="other@x.example", reason="bounce")
    found = client.get("/admin/core/suppression/", {"q": words}).context["cl"].result_list
    assert 0 < len(found) < 3
    assert "other@x.example" not in {row.address for row in found}


# --- What they cost and load --------------------------------------------------------------------
@pytest.mark.parametrize("label", sorted(model._meta.label_lower for model in admin.site._registry))
def test_lists_and_pages_ask_few_questions(
    client: Client, rows: None, clerk: User, label: str
) -> None:
    if label == "auth.group":
        client.force_login(User.objects.create_superuser("boss"))
    model = apps.get_model(label)
    row = model._default_manager.order_by("-pk").first()
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    for url in [base, f"{base}?q=R-1001", *([f"{base}{row.pk}/change/"] if row else [])]:
        client.get(url)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        asked = statements(captured)
        assert len(asked) <= MOST_QUERIES, "\n".join([url, *asked])


def test_the_admin_loads_nothing_from_elsewhere(
    client: Client, clerk: User, delivery: Make
) -> None:
    files: set[str] = set()
    row = delivery()
    for url in ("/admin/", "/admin/core/delivery/", f"{page_of(row)}change/", "/admin/login/"):
        page = client.get(url, follow=True).content.decode()
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="([^"]+)"', page)
        assert [each for each in loaded if not each.startswith("/")] == []
        files |= {each.removeprefix("/static/") for each in loaded if each.endswith(".css")}
    assert "unfold/css/styles.css" in files
    for name in files:
        path = finders.find(name)
        assert path, name
        with open(path) as file:
            urls = re.findall(r"(?:@import\s+|url\()[\"']?([^)\"']+)", file.read())
        assert [each for each in urls if re.match("(https?:)?//", each)] == [], name


@pytest.mark.parametrize("page", ["core/delivery", "core/notification", "core/contact"])
@pytest.mark.parametrize(
    "odd",
    [
        "created_at__year=10000",
        "created_at__year=9999",
        "sms_agreed_at__year__gte=0",
        "created_at__year=2026&created_at__month=99999999999999999999",
        "created_at__year=10000&created_at__year=2026",
        "created_at__iso_year=0",
        "pk__in=99999999999999999999",
        "reason__regex=(",
        "user__username__iregex=(",
    ],
)
def test_an_address_that_no_link_has_is_refused(
    client: Client, clerk: User, page: str, odd: str
) -> None:
    assert client.get(f"/admin/{page}/?{odd}").status_code == 400


def test_the_links_by_date_work(client: Client, clerk: User) -> None:
    unit = FleetUnit.objects.create(company=Company.objects.create(name="Lake"), number="7")
    asker = Profile.objects.create(user=clerk, role=Role.OFFICE)
    for _ in range(2):
        Repair.objects.create(unit=unit, damage="chip", position="center", requested_by=asker)
    page = client.get("/admin/repairs/repair/").content.decode()
    links = re.findall(r'href="(\?created_at__[^"]*)"', page)
    assert links
    for link in links:
        assert client.get(f"/admin/repairs/repair/{unescape(link)}").status_code == 200


def test_only_the_admin_has_the_wider_policy(client: Client, clerk: User) -> None:
    def policy(url: str) -> dict[str, str]:
        value = client.get(url).headers["Content-Security-Policy"]
        return dict(part.strip().split(" ", 1) for part in value.split(";"))

    strict, wider = policy("/office/"), policy("/admin/")
    changed = {name: value for name, value in wider.items() if strict.get(name) != value}
    assert changed == {
        "script-src": "'self' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "font-src": "'self'",
    }
    assert wider.keys() >= strict.keys()
    assert policy("/admin/nowhere/") == wider


def test_the_admin_has_the_brand(client: Client, clerk: User, settings: object) -> None:
    settings.BRAND_NAME, settings.BRAND_ACCENT = "Glass Co", "#004d1a"  # type: ignore[attr-defined]
    page = client.get("/admin/").content.decode()
    assert "| Glass Co</title>" in page
    assert "--color-primary-600: #004d1a;" in page


def test_a_provider_s_code_stands_beside_plain_words_and_a_number_as_people_write_it(
    admin_client: Client, delivery: Callable[..., Delivery]
) -> None:
    row = delivery(state=DeliveryState.BOUNCED, next_attempt_at=None, reason="550 5.1.1 unknown")
    row.log.create(attempt=1, event=LogEvent.BOUNCED, code="Permanent General", detail="x")
    for channel, recipient in (("ses", "jane@fleet.example"), ("sns", "+12025550105")):
        ProviderEvent.objects.create(
            fingerprint=channel,
            kind="bounced",
            provider=channel,
            recipient=recipient,
            code="Permanent General",
            occurred_at=timezone.now(),
        )
    ChannelStop.objects.create(channel=Channel.EMAIL, code="535", reason="Invalid")
    events = admin_client.get("/admin/core/providerevent/").content.decode()
    assert "The address does not work <small>Permanent General</small>" in events
    assert "(202) 555-0105" in events
    page = shown(admin_client, row)
    assert "No such mailbox" in page
    assert "The address does not work" in page
    stops = admin_client.get("/admin/core/channelstop/").content.decode()
    assert "The provider does not accept our account or its settings" in stops
