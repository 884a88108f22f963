"""The account page: every switch is read by `decide`, and only what was changed is saved."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.core.message import decide, kinds, people
from apps.core.models import Choice, Contact, Delivery, Notification, Preferences, Rule
from apps.core.models.preferences import ChoiceVia, RuleSetting, Setting
from apps.core.reasons import Reason, Verdict
from apps.core.services import preferences
from apps.core.states import Channel, DeliveryState, Priority

ACCOUNT = "/account/"


@pytest.fixture
def user(person: Callable[..., User]) -> User:
    return person(time_zone="America/Chicago")


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def shown(client: Client, url: str = ACCOUNT) -> dict[str, str]:
    """Return the values of the form as a browser would send them, unchanged."""
    page = client.get(url).content.decode()
    form = page[page.index('<form id="wishes"') :]
    form = form[: form.index("</form>")]
    values: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        found = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if found.get("type") == "radio" and not re.search(r"\schecked", tag):
            continue
        if "disabled" not in tag:
            values[found["name"]] = unescape(found.get("value", ""))
    hour = re.search(r'<option value="(\d+)" selected', form)
    assert hour
    return values | {"digest_hour": hour[1]}


def save(client: Client, url: str = ACCOUNT, /, **changes: str) -> Any:
    return client.post(url, shown(client, url) | changes, follow=True)


def decision(user: User, kind: str, channel: Channel, at: datetime | None = None) -> Any:
    person = people.load([user.pk])[user.pk]
    return decide.decide(kinds.get(kind), person, channel, at or timezone.now())


def test_saving_without_a_change_stores_nothing(signed_in, user):
    assert "Nothing was changed" in save(signed_in).content.decode()
    assert not Choice.objects.exists()


@pytest.mark.parametrize(
    ("field", "kind", "channel"),
    [
        ("approval_sms", "repair_pending_approval", Channel.SMS),
        ("approval_email", "repair_pending_approval", Channel.EMAIL),
        ("assignment_sms", "repair_assigned", Channel.SMS),
        ("assignment_email", "repair_reassigned_away", Channel.EMAIL),
        ("repair_status_sms", "repair_completed", Channel.SMS),
        ("repair_status_email", "repair_in_progress", Channel.EMAIL),
    ],
)
def test_every_switch_is_read_by_decide(signed_in, user, field, kind, channel):
    assert decision(user, kind, channel).verdict != Verdict.SKIP
    save(signed_in, **{field: "off"})
    off = decision(user, kind, channel)
    assert (off.verdict, off.reason, off.by_id) == (Verdict.SKIP, Reason.PERSON_OFF, user.pk)
    assert shown(signed_in)[field] == "off"
    save(signed_in, **{field: "at_once"})
    assert decision(user, kind, channel).reason == Reason.PERSON_ON


def test_once_a_day_makes_a_message_wait_for_the_hour_of_the_digest(signed_in, user):
    save(signed_in, repair_status_email="daily", digest_hour="16")
    at = datetime(2026, 7, 1, 15, tzinfo=UTC)
    held = decision(user, "repair_in_progress", Channel.EMAIL, at)
    assert held.held_for == Reason.DIGEST
    assert held.until.astimezone(ZoneInfo("America/Chicago")).time() == time(16)


def test_quiet_hours_of_every_day_are_read_by_decide(signed_in, user):
    save(signed_in, quiet="every_day", all_from="21:00", all_to="07:00")
    night = datetime(2026, 7, 2, 4, tzinfo=UTC)  # 23:00 in Chicago
    held = decision(user, "repair_in_progress", Channel.EMAIL, night)
    assert held.held_for == Reason.QUIET_HOURS
    again = shown(signed_in)
    assert again["quiet"] == "every_day"
    assert again["all_from"][:5] == "21:00"


def test_quiet_hours_by_weekday_are_kept_as_given(signed_in, user):
    save(signed_in, quiet="by_weekday", **{"5_from": "00:00", "5_to": "12:00"})
    assert Preferences.objects.get(user=user).quiet == [[5, "00:00", "12:00"]]
    assert shown(signed_in)["5_to"][:5] == "12:00"


@pytest.mark.parametrize(
    "times",
    [
        {"quiet": "every_day", "all_from": "", "all_to": ""},
        {"quiet": "every_day", "all_from": "21:00", "all_to": ""},
        {"quiet": "by_weekday", "0_from": "21:00"},
        {"quiet": "every_day", "all_from": "25:00", "all_to": "07:00"},
        {"quiet": "always"},
        {"digest_hour": "24"},
        {"approval_sms": "daily"},
    ],
)
def test_bad_times_are_refused_and_nothing_is_saved(signed_in, user, times):
    page = save(signed_in, approval_email="off", **times).content.decode()
    assert 'data-testid="error-summary"' in page
    assert not Choice.objects.exists()
    assert not Preferences.objects.filter(user=user).exclude(quiet=[]).exists()


def test_a_page_that_is_older_than_an_unsubscription_does_not_undo_it(signed_in, user):
    old = shown(signed_in)
    preferences.choose(user, "repair_status", Channel.EMAIL, Setting.OFF, via=ChoiceVia.MAIL_CLIENT)
    signed_in.post(ACCOUNT, old | {"approval_sms": "off"})
    assert decision(user, "repair_in_progress", Channel.EMAIL).reason == Reason.UNSUBSCRIBED
    assert decision(user, "repair_pending_approval", Channel.SMS).reason == Reason.PERSON_OFF


def test_stop_cannot_be_undone_by_a_switch(signed_in, user):
    preferences.choose(user, "", Channel.SMS, Setting.OFF, via=ChoiceVia.STOP)
    page = signed_in.get(ACCOUNT).content.decode()
    assert "chosen by a text message" in page
    assert "approval_sms" not in shown(signed_in)
    save(signed_in, approval_sms="at_once")
    assert decision(user, "repair_pending_approval", Channel.SMS).reason == Reason.STOPPED


def test_what_waits_is_shown_and_sent_now(signed_in, user, notify):
    preferences.choose(user, "repair_status", Channel.EMAIL, Setting.DAILY, via=ChoiceVia.PAGE)
    notify(user, kind="repair_in_progress")
    assert Delivery.objects.get().state == DeliveryState.HELD
    assert "1 message waits;" in " ".join(
        re.sub(r"<[^>]+>", "", signed_in.get(ACCOUNT).content.decode()).split()
    )
    signed_in.post(ACCOUNT + "send-now/")
    assert Delivery.objects.get().state == DeliveryState.DUE


def test_a_pause_until_the_morning_ends_at_seven_of_the_persons_clock(signed_in, user):
    signed_in.post(ACCOUNT + "pause/", {"until": "morning"})
    until = Preferences.objects.get(user=user).paused_until
    assert until
    local = until.astimezone(ZoneInfo("America/Chicago"))
    assert local.time() == time(7)
    assert timedelta(0) < until - timezone.now() < timedelta(days=2)
    assert "Paused until" in signed_in.get(ACCOUNT).content.decode()

    signed_in.post(ACCOUNT + "pause/", {"until": "end"})
    assert Preferences.objects.get(user=user).paused_until is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"until": "for ever"},
        {"until": "date"},
        {"until": "date", "date": "2020-01-01"},
        {"until": "hour", "deputy": "999999"},
    ],
)
def test_a_pause_without_a_sensible_end_or_deputy_is_refused(signed_in, user, given):
    page = signed_in.post(ACCOUNT + "pause/", given).content.decode()
    assert 'data-testid="error-summary"' in page
    assert not Preferences.objects.filter(user=user, paused_until__isnull=False).exists()


def test_a_deputy_is_somebody_of_the_same_company_and_role(maria, luis, jane):
    client = Client()
    client.force_login(maria.user)
    client.post(ACCOUNT + "pause/", {"until": "hour", "deputy": jane.user.pk})
    assert not Preferences.objects.filter(paused_until__isnull=False).exists()
    client.post(ACCOUNT + "pause/", {"until": "hour", "deputy": luis.user.pk})
    assert Preferences.objects.get(user=maria.user).deputy == luis.user


def test_the_time_zone_is_guessed_until_it_is_confirmed(signed_in, user):
    signed_in.post(ACCOUNT + "zone/", {"zone": "America/Denver", "guess": "1"})
    user.contact.refresh_from_db()
    assert user.contact.time_zone == "America/Denver"
    signed_in.post(ACCOUNT + "zone/", {"zone": "America/New_York"})
    signed_in.post(ACCOUNT + "zone/", {"zone": "Asia/Tokyo", "guess": "1"})
    user.contact.refresh_from_db()
    assert user.contact.time_zone == "America/New_York"


def test_an_unknown_time_zone_is_refused(signed_in, user):
    answer = signed_in.post(ACCOUNT + "zone/", {"zone": "Mars/Olympus"}, follow=True)
    assert "Choose a time zone" in answer.content.decode()


def test_the_office_changes_anothers_settings_in_its_own_name(maria, sam):
    office = Client()
    office.force_login(sam.user)
    url = f"{ACCOUNT}of/{maria.user.pk}/"
    save(office, url, approval_sms="off", digest_hour="15")
    made = Choice.objects.get()
    assert (made.user, made.by, made.via) == (maria.user, sam.user, ChoiceVia.OFFICE)
    own = Client()
    own.force_login(maria.user)
    page = own.get(ACCOUNT).content.decode()
    assert "Approvals, text message: off" in page
    assert "by the office, Sam Whitaker" in page
    assert "Changed the quiet hours or the hour of the daily e-mail" in page
    assert page.count("Sam Whitaker") == 2


@pytest.mark.parametrize("path", ["", "preview/"])
def test_nobody_but_the_office_reaches_anothers_settings(maria, luis, path):
    client = Client()
    client.force_login(luis.user)
    url = f"{ACCOUNT}of/{maria.user.pk}/{path}"
    assert client.get(url).status_code in (403, 405)
    assert client.post(url, {"approval_sms": "off"}).status_code == 403
    assert not Choice.objects.exists()


@pytest.mark.parametrize("path", ["", "preview/", "pause/", "zone/", "send-now/"])
def test_nothing_is_saved_without_a_csrf_token(user, path):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.post(ACCOUNT + path, {"until": "hour"}).status_code == 403


@pytest.mark.parametrize("path", ["", "data/"])
def test_a_stranger_is_asked_to_sign_in(client, db, path):
    assert client.get(ACCOUNT + path).headers["Location"] == f"/login/?next={ACCOUNT}{path}"


def test_the_preview_saves_nothing_and_counts_the_last_month(signed_in, user, notify):
    # At noon in Chicago, so that no text waits for the morning.
    noon = timezone.now().replace(hour=18, minute=0) - timedelta(days=2)
    rows = notify(user, kind="repair_in_progress") + notify(user, kind="repair_pending_approval")
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(visible_from=noon)
    given = shown(signed_in) | {"repair_status_email": "daily", "approval_sms": "off"}
    page = signed_in.post(ACCOUNT + "preview/", given).content.decode()
    counts = dict(re.findall(r'data-testid="replay-(\w+)">(\d+)', page))
    assert counts == {"emails": "1", "digests": "1", "texts": "0", "waits": "1"}
    assert "daily e-mail" in page
    assert not Choice.objects.exists()


def test_the_data_file_has_everything_but_the_password(signed_in, user, notify):
    preferences.choose(user, "approval", Channel.SMS, Setting.OFF, via=ChoiceVia.PAGE, by=user)
    notify(user)
    answer = signed_in.get(ACCOUNT + "data/")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "no-store" in answer.headers["Cache-Control"]
    told = json.loads(answer.content)
    assert told["contact"][0]["phone"] == user.contact.phone
    assert told["choices"][0]["setting"] == "off"
    assert len(told["messages"][0]["deliveries"]) == 2
    assert "password" not in told["person"]


def test_urgent_messages_are_not_promised_to_wait(signed_in, user):
    assert kinds.get("repair_approved").priority == Priority.URGENT
    page = signed_in.get(ACCOUNT).content.decode()
    assert "Repair approved:</span> <strong>e-mail at once and text message" in page


def test_what_nobody_can_switch_off_is_said_and_has_no_switch(signed_in):
    page = signed_in.get(ACCOUNT).content.decode()
    assert "Always sent" in page
    assert not [name for name in shown(signed_in) if name.startswith(("account_", "loopback_"))]


def test_a_company_rule_locks_the_switch_and_says_why(maria):
    Rule.objects.create(
        group=f"company:{maria.company_id}",
        category="repair_status",
        channel=Channel.SMS,
        rule=RuleSetting.FORCED_OFF,
    )
    client = Client()
    client.force_login(maria.user)
    page = client.get(ACCOUNT).content.decode()
    assert f"{Reason.COMPANY_FORCED_OFF.label}." in page
    assert "repair_status_sms" not in shown(client)
    save(client, repair_status_sms="at_once")
    off = decision(maria.user, "repair_completed", Channel.SMS)
    assert off.reason == Reason.COMPANY_FORCED_OFF


def test_the_last_way_of_an_approval_stays_and_the_page_says_so(signed_in, user):
    save(signed_in, approval_sms="off", approval_email="off")
    page = signed_in.get(ACCOUNT).content.decode()
    assert "one way outside the app must stay open for these messages" in page
    person = people.load([user.pk])[user.pk]
    kind = kinds.get("repair_pending_approval")
    plan = decide.plan(kind, person, kind.priority, timezone.now())
    assert [each.reason for each in plan.values() if each.verdict != Verdict.SKIP] == [
        Reason.KEPT_ONE
    ]


def test_the_number_reads_as_on_the_page_of_contact_details(client: Client, user: User) -> None:
    Contact.objects.filter(user=user).update(phone="+12025550105", verified_phone="+12025550105")
    client.force_login(user)
    page = client.get(ACCOUNT).content.decode()
    assert "(202) 555-0105" in page
    assert "+12025550105" not in page
