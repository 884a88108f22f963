"""Password guessing is slowed down, and other people can still sign in."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client

from apps.site.throttle import ADDRESS, PAIR, Attempt, _count

PASSWORD = "correct-horse-battery"
ATTACKER, OFFICE, HOME = "192.0.2.66", "198.51.100.1", "203.0.113.7"
FORMS = ("/login/", "/admin/login/")


@pytest.fixture(autouse=True)
def people(db: None, redis_url: str, settings: Any) -> Iterator[None]:
    settings.TRUSTED_PROXIES = 1
    # The test is about counting, not about the cost of hashing.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    redis.Redis.from_url(redis_url).flushall()
    for name in ("jane", "tom"):
        User.objects.create_superuser(name, password=PASSWORD)
    yield
    redis.Redis.from_url(redis_url).flushall()


def sign_in(username: str, password: str, address: str, form: str = "/login/") -> Any:
    return Client(headers={"X-Forwarded-For": address}).post(
        form, {"username": username, "password": password}
    )


def is_in(answer: Any) -> bool:
    return bool(answer.status_code == 302)


@pytest.mark.parametrize("form", FORMS)
def test_after_five_failures_the_form_says_when_to_try_again(form: str) -> None:
    for _ in range(PAIR.failures):
        assert "Too many" not in sign_in("jane", "wrong", ATTACKER, form).content.decode()
    answer = sign_in("jane", PASSWORD, ATTACKER, form)
    assert not is_in(answer)
    assert "Too many failed attempts. Try again in 15 minutes." in answer.content.decode()


def test_both_forms_count_together_however_the_name_is_spelled() -> None:
    for number in range(PAIR.failures):
        sign_in((" Jane", "JANE", "jane ")[number % 3], "wrong", ATTACKER, FORMS[number % 2])
    assert not is_in(sign_in("jane", PASSWORD, ATTACKER))


def test_guesses_at_the_same_moment_are_counted_too() -> None:
    guess = Attempt("jane", ATTACKER)
    with ThreadPoolExecutor(16) as guesses:
        waits = list(guesses.map(_count, [guess] * 40))
    assert waits.count(0) == PAIR.failures


def test_the_owner_signs_in_from_another_address() -> None:
    for _ in range(PAIR.failures + 1):
        sign_in("jane", "wrong", ATTACKER)
    assert is_in(sign_in("jane", PASSWORD, HOME))


def test_an_address_that_tries_many_accounts_is_stopped() -> None:
    for number in range(ADDRESS.failures):
        sign_in(f"person{number}", "wrong", ATTACKER)
    assert not is_in(sign_in("jane", PASSWORD, ATTACKER))
    assert is_in(sign_in("jane", PASSWORD, HOME))


def test_failures_of_a_colleague_do_not_lock_out_a_known_person() -> None:
    assert is_in(sign_in("jane", PASSWORD, OFFICE))
    for number in range(ADDRESS.failures + 1):
        sign_in(f"person{number}", "wrong", OFFICE)
    assert is_in(sign_in("jane", PASSWORD, OFFICE))
    assert not is_in(sign_in("tom", PASSWORD, OFFICE))


def test_many_addresses_cannot_guess_at_one_account_or_lock_out_its_owner() -> None:
    assert is_in(sign_in("jane", PASSWORD, HOME))
    for number in range(60):
        sign_in("jane", "wrong", f"192.0.2.{number}")
    assert not is_in(sign_in("jane", PASSWORD, "192.0.2.200"))
    assert is_in(sign_in("jane", PASSWORD, HOME))


def test_a_success_forgets_the_failures_before_it() -> None:
    for _ in range(3):
        for _ in range(PAIR.failures - 1):
            sign_in("jane", "wrong", HOME)
        assert is_in(sign_in("jane", PASSWORD, HOME))


def test_a_visitor_cannot_choose_the_address_that_counts() -> None:
    for number in range(PAIR.failures):
        sign_in("jane", "wrong", f"203.0.113.{number}, {ATTACKER}")
    assert not is_in(sign_in("jane", PASSWORD, f"203.0.113.99, {ATTACKER}"))


def test_one_ipv6_network_counts_as_one_address() -> None:
    for number in range(PAIR.failures):
        sign_in("jane", "wrong", f"2001:db8::{number:x}")
    assert not is_in(sign_in("jane", PASSWORD, "2001:db8::ffff"))
    assert is_in(sign_in("jane", PASSWORD, "2001:db8:0:1::1"))


def test_a_failure_is_logged_without_the_typed_name(caplog: pytest.LogCaptureFixture) -> None:
    sign_in("my-password-by-mistake", "wrong", ATTACKER)
    assert f"sign-in failed address={ATTACKER}" in caplog.text
    assert "my-password-by-mistake" not in caplog.text


def test_a_throttled_attempt_does_not_look_at_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(PAIR.failures):
        sign_in("jane", "wrong", ATTACKER)
    monkeypatch.setattr(User, "check_password", lambda *_: pytest.fail("it was hashed"))
    sign_in("jane", "wrong", ATTACKER)


def test_people_sign_in_while_redis_is_away(redis_server: Any) -> None:
    redis_server.stop()
    assert is_in(sign_in("jane", PASSWORD, HOME))
