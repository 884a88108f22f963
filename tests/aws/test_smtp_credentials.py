import base64
import json
import os
import pty
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.aws.smtp_credentials import Unusable, derive, is_smtp_password
from tools.supervisor import ROOT

#: AWS's own example, and what its published algorithm makes of it.
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PASSWORD = "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SECRET", SECRET)


def make(*options: str) -> None:
    call_command("aws", "smtp-credentials", *options)


def test_the_published_algorithm_is_followed() -> None:
    assert derive(KEY_ID, SECRET, "us-east-1") == (KEY_ID, PASSWORD)


def test_each_region_has_a_password_of_its_own() -> None:
    assert derive(KEY_ID, SECRET, "eu-west-1").password != PASSWORD


def test_what_is_printed_can_be_put_into_the_env_file(capsys: Any) -> None:
    make("--secret-from-env", "THE_SECRET", "--access-key-id", KEY_ID, "--region", "us-east-1")
    assert capsys.readouterr().out.splitlines() == [
        f"AWS_SES_SMTP_USER={KEY_ID}",
        f"AWS_SES_SMTP_PASSWORD={PASSWORD}",
    ]


def test_the_region_is_the_configured_one_and_json_is_one_object(
    capsys: Any, settings: Any
) -> None:
    settings.AWS_SES_REGION_NAME = "us-east-1"
    make("--secret-from-env", "THE_SECRET", "--access-key-id", KEY_ID, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"region": "us-east-1", "user": KEY_ID, "password": PASSWORD}


def test_the_application_s_own_key_is_taken_with_its_own_id(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    make("--secret-from-env", "AWS_SECRET_ACCESS_KEY")
    assert f"AWS_SES_SMTP_USER={KEY_ID}" in capsys.readouterr().out


def test_another_variable_s_secret_is_not_paired_with_the_application_s_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    with pytest.raises(CommandError, match="give --access-key-id"):
        make("--secret-from-env", "THE_SECRET")


def test_the_secret_is_no_option() -> None:
    with pytest.raises(CommandError, match="unrecognized arguments"):
        make("--access-key-id", KEY_ID, "--secret", SECRET)


def test_a_secret_where_a_variable_s_name_belongs_is_not_repeated() -> None:
    with pytest.raises(CommandError, match="give the name of a variable") as refused:
        make("--access-key-id", KEY_ID, "--secret-from-env", SECRET)
    assert SECRET not in str(refused.value)


def test_a_secret_where_the_id_belongs_is_not_repeated() -> None:
    with pytest.raises(CommandError, match="That is no access key id") as refused:
        make("--access-key-id", SECRET, "--secret-from-env", "THE_SECRET")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("key_id", "secret", "region", "sentence"),
    [
        ("ASIAIOSFODNN7EXAMPLE", SECRET, "us-east-1", "is a temporary key"),
        ("akia", SECRET, "us-east-1", "is no access key id"),
        (KEY_ID, SECRET, "virginia", "write it as in us-east-1"),
        (KEY_ID, PASSWORD, "us-east-1", "is an SMTP password already"),
        (KEY_ID, SECRET[:-1], "us-east-1", "has 39 characters"),
        (KEY_ID, "ä" * 40, "us-east-1", "is no secret access key"),
    ],
)
def test_an_unusable_key_is_refused_and_its_secret_not_printed(
    key_id: str, secret: str, region: str, sentence: str
) -> None:
    with pytest.raises(Unusable, match=sentence) as refused:
        derive(key_id, secret, region)
    assert secret not in str(refused.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(CommandError, match="NO_SUCH is not set"):
        make("--access-key-id", KEY_ID, "--secret-from-env", "NO_SUCH")


def test_without_a_terminal_the_option_is_asked_for() -> None:
    with pytest.raises(CommandError, match="no terminal to ask on: give --secret-from-env"):
        make("--access-key-id", KEY_ID)


@pytest.mark.services
def test_on_a_terminal_the_secret_is_asked_for_and_not_shown() -> None:
    pid, terminal = pty.fork()
    if not pid:
        command = [sys.executable, "manage.py", "aws", "smtp-credentials", "--region=us-east-1"]
        os.chdir(ROOT)
        os.execv(command[0], [*command, f"--access-key-id={KEY_ID}"])  # noqa: S606
    shown = _until(terminal, b"(not shown): ")
    os.write(terminal, f"{SECRET}\n".encode())
    shown += _until(terminal, b"out of git")
    os.waitpid(pid, 0)
    os.close(terminal)
    assert PASSWORD.encode() in shown
    assert SECRET.encode() not in shown


def _until(terminal: int, words: bytes) -> bytes:
    shown = b""
    while words not in shown:
        shown += os.read(terminal, 1024)
    return shown


def test_an_iam_secret_is_told_from_an_smtp_password() -> None:
    assert is_smtp_password(PASSWORD)
    assert not is_smtp_password(SECRET)
    assert not is_smtp_password(base64.b64encode(b"\x03" * 33).decode())
