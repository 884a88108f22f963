import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from apps.core.channels.email import EmailService
from apps.core.message import brand, colors, kinds, rendering
from apps.core.models import BrandVersion
from apps.core.services import branding
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, Priority
from apps.repairs import groups
from apps.repairs.models import Company, Profile, Role

ACCENTS = ["#0b5cad", "#fc0", "#ffffff", "#000000", "#e91e63"]


@pytest.mark.parametrize("color", ACCENTS)
def test_any_accent_is_made_readable_on_light_and_dark_pages(settings, color):
    settings.BRAND_ACCENT = color
    shown = brand.current()
    light, dark = colors.parse(shown.accent_on_light), colors.parse(shown.accent_on_dark)
    assert colors.contrast(light, colors.LIGHT_GROUND) >= colors.READABLE
    assert colors.contrast(dark, colors.DARK_GROUND) >= colors.READABLE


@pytest.mark.parametrize("color", ACCENTS)
def test_text_on_the_accent_is_readable(settings, color):
    settings.BRAND_ACCENT = color
    shown = brand.current()
    contrast = colors.contrast(colors.parse(shown.on_accent), colors.parse(shown.accent))
    assert contrast >= colors.READABLE


@pytest.mark.parametrize("text", ["navy", "#12", "#ggg", "123456", "#-1234f", "#0b5cad\n"])
def test_what_is_no_color_is_refused(text):
    with pytest.raises(ValueError, match="#0b5cad"):
        colors.parse(text)


def test_the_environment_says_the_brand(settings):
    settings.BRAND_NAME = "Glass Co"
    settings.BRAND_ACCENT = "#fc0"
    settings.OFFICE_PHONE = "+1 (312) 555-0148"
    settings.EMAIL_REPLY_TO = "office@glass.example"
    shown = brand.current()
    assert (shown.name, shown.accent, shown.reply_to) == (
        "Glass Co",
        "#ffcc00",
        "office@glass.example",
    )
    assert shown.tel == "+13125550148"


def test_the_version_changes_with_any_field(settings):
    shown = brand.current()
    others = [dataclasses.replace(shown, name="x"), dataclasses.replace(shown, accent="#123456")]
    assert len({each.version for each in (shown, *others)}) == 3
    assert dataclasses.replace(shown).version == shown.version


# --- Versions -----------------------------------------------------------------------------------
@pytest.fixture
def sam(db):
    return User.objects.create_superuser("sam")


@pytest.fixture
def publish(sam, django_capture_on_commit_callbacks):
    """Publishes the next version of a group."""

    def make(group="", **fields):
        after = BrandVersion.objects.filter(group=group).count()
        with django_capture_on_commit_callbacks(execute=True):
            return branding.publish(
                BrandVersion(group=group, **fields), by=sam, after=after, logo=None
            )

    return make


@pytest.fixture
def redwood(db, person):
    """Return a manager of a company, and the key of the company's group."""
    company = Company.objects.create(name="Redwood Freight")
    maria = person()
    Profile.objects.create(user=maria, role=Role.MANAGER, company=company)
    return maria, groups.key(company)


def test_a_company_is_on_top_of_the_house_and_that_of_the_environment(settings, publish):
    settings.BRAND_NAME, settings.OFFICE_PHONE = "RS Systems", "+1 312 555 0148"
    publish(accent="#fc0", footer="Thank you.")
    publish("company:1", name="Redwood's Glass", accent="#0a0")
    house, company = brand.current(), brand.current(["company:1"])
    assert (house.name, house.accent, house.footer) == ("RS Systems", "#ffcc00", "Thank you.")
    assert (company.name, company.accent, company.footer, company.phone) == (
        "Redwood's Glass",
        "#00aa00",
        "Thank you.",
        "+1 312 555 0148",
    )
    assert brand.current(["company:2"]) is house
    assert house.version != company.version


def test_another_process_sees_a_change_after_a_few_seconds(db, monkeypatch):
    brand.forget()
    before = brand.current().name
    BrandVersion.objects.create(number=1, name="Glass Co")
    assert brand.current().name == before
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + brand.FRESH_S + 1)
    assert brand.current().name == "Glass Co"


def test_a_version_that_is_rolled_back_changes_nothing(sam):
    brand.forget()
    before = brand.current()
    with transaction.atomic():
        branding.publish(BrandVersion(name="Glass Co"), by=sam, after=0, logo=None)
        transaction.set_rollback(True)
    brand.forget()
    assert brand.current() == before


def test_nobody_s_brand_costs_a_statement_if_no_company_has_one(
    publish, redwood, django_assert_num_queries
):
    maria, _ = redwood
    publish(name="Glass Co")
    with django_assert_num_queries(1):
        assert brand.current().name == "Glass Co"
    with django_assert_num_queries(0):
        assert brand.of([maria.pk])[maria.pk].name == "Glass Co"


def test_the_groups_of_many_people_are_asked_for_once(
    publish, redwood, person, django_assert_num_queries
):
    maria, group = redwood
    publish(group, name="Redwood's Glass")
    others = [person().pk for _ in range(3)]
    brand.current()
    with django_assert_num_queries(1):
        found = brand.of([maria.pk, *others])
    assert found[maria.pk].name == "Redwood's Glass"
    assert {found[pk].name for pk in others} == {brand.of_environment().name}
    with django_assert_num_queries(0):
        assert brand.of([maria.pk]) == {maria.pk: found[maria.pk]}


def test_the_brand_of_an_earlier_moment(publish, settings):
    settings.BRAND_NAME = "RS Systems"
    first, company, second = (
        publish(name="Glass Co"),
        publish("company:1", footer="Redwood"),
        publish(name="Glass Ltd"),
    )
    start = timezone.now() - timedelta(days=9)
    for days, version in enumerate((first, company, second)):
        BrandVersion.objects.filter(pk=version.pk).update(
            published_at=start + timedelta(days=2 * days)
        )
    names = [brand.at(start + timedelta(days=day)).name for day in (-1, 1, 3, 5)]
    assert names == ["RS Systems", "Glass Co", "Glass Co", "Glass Ltd"]
    footers = [brand.at(start + timedelta(days=day), ["company:1"]).footer for day in (1, 3)]
    assert footers == ["", "Redwood"]
    assert brand.at(start, ["company:1"]).name == "Glass Co"


@pytest.fixture
def told(redwood, memory_providers):
    """Return the delivery of an e-mail to the company's manager."""
    [row] = NotificationService().notify(
        "repair_in_progress",
        redwood[0],
        kinds.get("repair_in_progress").sample.model_dump(mode="json"),
        priority=Priority.MEDIUM,
    )
    return row.deliveries.get(channel=Channel.EMAIL)


def test_an_email_has_the_brand_of_its_reader_s_company(publish, redwood, told):
    _, group = redwood
    publish(name="Glass Co", postal_address="1 Main Street", footer="House.")
    publish(
        group,
        name="Redwood's Glass",
        sender_name="Redwood Repairs",
        reply_to="repairs@redwood.example",
        accent="#00aa00",
    )
    message = EmailService().compose(told, None)
    assert message.sender_name == "Redwood Repairs"
    assert message.headers["Reply-To"] == "repairs@redwood.example"
    assert "1 Main Street" in message.text
    assert "Redwood&#x27;s Glass" in message.html
    assert 'bgcolor="#00aa00"' in message.html
    mail = EmailService().provider.encode(message)
    assert mail.from_email.startswith("Redwood Repairs <")


def test_a_message_that_is_shown_again_has_the_brand_of_its_time(publish, redwood, told):
    _, group = redwood
    publish(group, footer="Redwood's first")
    published = timezone.now() - timedelta(hours=1)
    BrandVersion.objects.update(published_at=published)
    publish(group, footer="Redwood's second")
    assert "Redwood's second" in rendering.email(told.notification).text
    shown = rendering.as_sent(told.notification, Channel.EMAIL)
    assert "Redwood's first" in shown.text
    assert "second" not in shown.text


def test_an_answer_goes_to_the_reply_address_if_there_is_one(settings, told):
    settings.EMAIL_REPLY_TO = ""
    assert "Reply-To" not in EmailService().compose(told, None).headers
    settings.EMAIL_REPLY_TO = "office@example.com"
    assert EmailService().compose(told, None).headers["Reply-To"] == "office@example.com"


def test_the_office_s_sender_name_wins_over_the_one_in_the_address(settings, publish, told):
    settings.DEFAULT_FROM_EMAIL = "RS Systems <n@example.com>"
    assert EmailService().compose(told, None).sender_name == "RS Systems"
    publish(sender_name="Glass Co")
    message = EmailService().compose(told, None)
    assert EmailService().provider.encode(message).from_email == "Glass Co <n@example.com>"


@pytest.mark.django_db(transaction=True)
def test_of_two_saves_at_the_same_time_one_is_refused():
    sam = User.objects.create_superuser("sam")
    both_are_here = threading.Barrier(2, timeout=20)

    def save(name):
        both_are_here.wait()
        try:
            branding.publish(BrandVersion(name=name), by=sam, after=0, logo=None)
        except branding.Outdated:
            return ""
        finally:
            connection.close()
        return name

    with ThreadPoolExecutor(2) as pool:
        saved = sorted(pool.map(save, ["Glass Co", "Glass Ltd"]))
    assert saved[0] == ""
    assert [version.name for version in BrandVersion.objects.all()] == [saved[1]]


def test_a_save_that_did_not_see_the_other_one_is_refused_by_the_database(publish, sam):
    publish(name="Glass Co")
    late = BrandVersion(name="Glass Ltd")
    with patch.object(branding, "_newest", return_value=0), pytest.raises(branding.Outdated):
        branding.publish(late, by=sam, after=0, logo=None)
    assert BrandVersion.objects.get().name == "Glass Co"
