"""Unsubscribing: a POST acts, with nothing but the link; a GET, as of a scanner, never does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.core.message import unsubscribe
from apps.core.message.unsubscribe import Subscription
from apps.core.models import Choice, Delivery
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.providers import memory
from apps.core.services import preferences
from apps.core.states import Channel, DeliveryState, Priority
from tests.support.attempts import attempt

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def jane(person: Callable[..., User]) -> User:
    return person()


@pytest.fixture
def program() -> Client:
    """Return a mail program: it has no cookies and knows no CSRF token."""
    return Client(enforce_csrf_checks=True)


def path(user: User, *categories: str) -> str:
    token = unsubscribe.token(Subscription(user.pk, categories or ("repair_status",)))
    return f"/unsubscribe/{token}/"


def chosen(user: User) -> list[tuple[str, str, str]]:
    rows = Choice.objects.present().filter(user=user).order_by("category")
    return list(rows.values_list("category", "setting", "via"))


def send(row: Delivery) -> DeliveryState:
    attempt(row.pk)
    row.refresh_from_db()
    return DeliveryState(row.state)


def test_a_received_e_mail_unsubscribes_by_one_post(
    program: Client, jane: User, notify: Callable[..., Any], settings: Any
) -> None:
    notify(jane, "repair_completed", priority=Priority.MEDIUM)
    send(Delivery.objects.get())
    [mail] = memory.emails
    headers = mail.message()
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = headers["List-Unsubscribe"].strip("<>")
    assert link.startswith(settings.SITE_URL)
    answer = program.post(link.removeprefix(settings.SITE_URL), ONE_CLICK)
    assert answer.status_code == 200
    assert not answer.cookies
    assert chosen(jane) == [("repair_status", "off", "mail_client")]

    notify(jane, "repair_completed", priority=Priority.MEDIUM)
    notify(jane, "repair_assigned", priority=Priority.MEDIUM)
    skipped, sent = Delivery.objects.filter(attempts=0).order_by("state").reverse()
    assert (skipped.state, skipped.decision) == (DeliveryState.SKIPPED, "unsubscribed")
    assert send(sent) == DeliveryState.ACCEPTED


@pytest.mark.parametrize("content_type", ["multipart", "application/x-www-form-urlencoded"])
def test_both_encodings_of_the_post_are_read(
    program: Client, jane: User, content_type: str
) -> None:
    if content_type == "multipart":
        program.post(path(jane), ONE_CLICK)
    else:
        program.post(path(jane), "List-Unsubscribe=One-Click", content_type=content_type)
    assert chosen(jane) == [("repair_status", "off", "mail_client")]


def test_a_scanner_that_opens_every_link_changes_nothing(program: Client, jane: User) -> None:
    for _ in range(3):
        page = program.get(path(jane))
        program.head(path(jane))
    program.get(path(jane), ONE_CLICK)
    program.get(path(jane) + "?do=stop")
    assert page.status_code == 200
    assert "Nothing is changed until you choose." in page.content.decode()
    assert chosen(jane) == []


def test_a_message_that_waits_is_not_sent_after_the_unsubscription(
    program: Client, jane: User, delivery: Callable[..., Delivery]
) -> None:
    row = delivery(recipient=jane)
    program.post(path(jane, row.notification.category), ONE_CLICK)
    assert send(row) == DeliveryState.SKIPPED
    assert row.reason == "this person unsubscribed from these messages"
    assert memory.emails == []


def test_a_second_post_changes_nothing_more(program: Client, jane: User) -> None:
    for _ in range(2):
        assert program.post(path(jane), ONE_CLICK).status_code == 200
    assert Choice.objects.count() == 1


@pytest.mark.parametrize("setting", [None, Setting.AT_ONCE, Setting.DAILY])
def test_undo_goes_back_to_what_was_chosen_before(
    program: Client, jane: User, setting: Setting | None
) -> None:
    if setting:
        preferences.choose(
            jane, "repair_status", Channel.EMAIL, setting, via=ChoiceVia.PAGE, by=jane
        )
    before = chosen(jane)
    page = program.post(path(jane), {"do": "stop"}).content.decode()
    assert "You are unsubscribed" in page
    assert "Undo" in page
    program.post(path(jane), {"do": "undo"})
    assert chosen(jane) == before
    # Nothing is left to undo.
    program.post(path(jane), {"do": "undo"})
    assert chosen(jane) == before


def test_the_page_offers_once_a_day_instead(program: Client, jane: User) -> None:
    program.post(path(jane), ONE_CLICK)
    assert 'value="daily"' in program.get(path(jane)).content.decode()
    page = program.post(path(jane), {"do": "daily"}).content.decode()
    assert "Once a day</h1>" in page
    assert chosen(jane) == [("repair_status", "daily", "page")]


def test_a_digest_s_link_stops_all_its_categories(program: Client, jane: User) -> None:
    link = path(jane, "approval", "repair_status")
    page = program.get(link).content.decode()
    assert "<strong>Approvals and Repair status</strong>" in page
    program.post(link, ONE_CLICK)
    assert [category for category, *_ in chosen(jane)] == ["approval", "repair_status"]
    program.post(link, {"do": "undo"})
    assert chosen(jane) == []


def test_a_link_is_for_its_person_alone(
    client: Client, jane: User, person: Callable[..., User]
) -> None:
    tom = person()
    client.force_login(tom)
    client.post(path(jane), ONE_CLICK)
    assert chosen(tom) == []
    assert len(chosen(jane)) == 1


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "no"}, {"do": "delete"}])
def test_a_post_that_asks_for_nothing_known_changes_nothing(
    program: Client, jane: User, body: dict[str, str]
) -> None:
    assert program.post(path(jane), body).status_code == 400
    assert chosen(jane) == []


def test_an_altered_link_is_not_found_and_says_so(program: Client, jane: User) -> None:
    good = path(jane)
    other = unsubscribe.token(Subscription(jane.pk + 1, ("repair_status",)))
    for bad in (
        good[:-3] + "/",
        good.replace(".", ".x"),
        f"/unsubscribe/{other}/",
        "/unsubscribe/x/",
    ):
        for answer in (program.get(bad), program.post(bad, ONE_CLICK)):
            assert answer.status_code == 404
            assert "This link is not complete" in answer.content.decode()
    assert chosen(jane) == []


def test_it_works_for_a_person_who_has_left(program: Client, jane: User) -> None:
    User.objects.update(is_active=False)
    assert program.post(path(jane), ONE_CLICK).status_code == 200
