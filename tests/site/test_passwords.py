"""Sign-in by name or address, and a new password by e-mail."""

import re
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client

from apps.core.models import Contact, Delivery, Notification
from apps.core.providers import memory
from apps.site.passwords import SENT
from apps.site.throttle import PAIR
from tests.support.attempts import attempt
from tests.support.people import create_contact

PASSWORD, NEW = "correct-horse-battery", "another-good-passphrase"


@pytest.fixture(autouse=True)
def _empty(memory_providers: None, redis_url: str, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    redis.Redis.from_url(redis_url).flushall()


@pytest.fixture
def jane(db: None) -> User:
    user = User.objects.create_user("Jane", password=PASSWORD)
    create_contact(
        user, "+12025550101", email="jane@fleet.example", verified_email="jane@fleet.example"
    )
    return user


def sign_in(name: str, password: str = PASSWORD) -> bool:
    return bool(
        Client().post("/login/", {"username": name, "password": password}).status_code == 302
    )


def ask(name: str) -> str:
    return Client().post("/password/", {"username": name}, follow=True).content.decode()


def link() -> str:
    for row in Delivery.objects.all():
        attempt(row.pk)
    found = re.search(r"http://[^/\s]+(/password/\S+)", str(memory.emails[-1].body))
    assert found
    return found[1]


# --- Sign-in ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["Jane", "jane", " JANE ", "jane@fleet.example", "Jane@FLEET.example"]
)
def test_a_name_or_an_address_signs_in_in_any_case(jane: User, name: str) -> None:
    assert sign_in(name)
    assert not sign_in(name, "wrong")


def test_an_address_that_nobody_confirmed_signs_nobody_in(jane: User) -> None:
    thief = User.objects.create_user("thief", password="thief-password")
    create_contact(thief, "+12025550102", email="jane@fleet.example", verified_email="")
    assert sign_in("jane@fleet.example")
    assert not sign_in("jane@fleet.example", "thief-password")


def test_an_address_of_two_people_signs_neither_in(jane: User) -> None:
    tom = User.objects.create_user("tom", password=PASSWORD)
    create_contact(
        tom, "+12025550102", email="jane@fleet.example", verified_email="jane@fleet.example"
    )
    assert not sign_in("jane@fleet.example")
    assert sign_in("tom")


def test_two_names_that_differ_in_case_stay_two_people(jane: User) -> None:
    User.objects.create_user("jane", password="password-of-the-other")
    assert sign_in("jane", "password-of-the-other")
    assert sign_in("Jane", PASSWORD)
    assert not sign_in("JANE", PASSWORD)


@pytest.mark.parametrize("name", ["", " ", "a\0b", "x" * 300])
def test_what_is_no_name_is_refused(db: None, name: str) -> None:
    assert not sign_in(name)


def test_guesses_at_the_name_and_at_the_address_count_together(jane: User) -> None:
    for number in range(PAIR.failures):
        sign_in(("jane", "jane@fleet.example")[number % 2], "wrong")
    assert not sign_in("jane")
    assert not sign_in("JANE@fleet.example")


def test_a_deactivated_account_does_not_sign_in(jane: User) -> None:
    User.objects.update(is_active=False)
    assert not sign_in("jane")


# --- A new password -----------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["jane", "JANE@fleet.example"])
def test_the_link_sets_a_new_password_once(jane: User, name: str) -> None:
    assert SENT in ask(name)
    path, visitor = link(), Client()
    form = visitor.get(path, follow=True)
    assert form.status_code == 200
    saved = visitor.post(
        form.redirect_chain[-1][0], {"new_password1": NEW, "new_password2": NEW}, follow=True
    )
    assert "Your new password is saved." in saved.content.decode()
    assert sign_in("jane", NEW)
    assert not sign_in("jane", PASSWORD)
    assert "not valid any more" in Client().get(path, follow=True).content.decode()


def test_the_link_is_not_stored(jane: User) -> None:
    ask("jane")
    stored = str(list(Notification.objects.values("context", "title", "text", "action_url"))) + str(
        list(Delivery.objects.values())
    )
    token = link().rstrip("/").rpartition("/")[2]
    assert token not in stored


def test_an_altered_link_changes_no_password(jane: User) -> None:
    ask("jane")
    path = link()
    for bad in (f"{path[:-2]}x/", path.replace("/password/", "/password/x", 1)):
        assert "not valid any more" in Client().get(bad, follow=True).content.decode()


def test_the_answer_does_not_say_whether_there_is_such_an_account(jane: User) -> None:
    known = re.sub(r'value="\w{64}"', "", ask("jane"))
    assert known == re.sub(r'value="\w{64}"', "", ask("nobody"))
    for _ in range(5):
        assert re.sub(r'value="\w{64}"', "", ask("jane")) == known
    assert Delivery.objects.count() == 3


@pytest.mark.parametrize("changes", [{"verified_email": ""}, {"email": "thief@evil.example"}])
def test_no_link_goes_to_an_address_that_is_not_confirmed(
    jane: User, changes: dict[str, str]
) -> None:
    Contact.objects.update(**changes)
    assert SENT in ask("jane")
    assert not Delivery.objects.exists()


def test_a_deactivated_account_gets_no_link(jane: User) -> None:
    User.objects.update(is_active=False)
    ask("jane")
    assert not Delivery.objects.exists()


def test_a_link_goes_to_an_address_that_wants_no_e_mail(jane: User) -> None:
    Contact.objects.update(wants_email=False)
    ask("jane")
    link()
    assert memory.emails[0].to == ["jane@fleet.example"]


def test_asking_needs_the_csrf_token(jane: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/password/", {"username": "jane"}).status_code == 403
    assert not Delivery.objects.exists()
