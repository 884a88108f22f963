import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.core import providers
from apps.core.exceptions import ChannelUnavailableError, PermanentError
from apps.core.providers import memory
from tools.supervisor import ROOT


def test_test_ses_sends_through_the_real_service_and_prints_the_id(capsys: Any) -> None:
    call_command("test_ses", "you@fleet.example")
    (mail,) = memory.emails
    assert mail.to == ["you@fleet.example"]
    output = capsys.readouterr().out
    for line in ("Provider: memory", "Region: us-east-1", "Message id: memory-1"):
        assert line in output


def test_test_sns_sends_through_the_real_service_and_prints_the_id(capsys: Any) -> None:
    call_command("test_sns", "+12025550123", "--json")
    (text,) = memory.texts
    assert text.to == "+12025550123"
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "provider": "memory",
        "region": "us-east-1",
        "sender": "RSSystems",
        "message_id": "memory-1",
    }


@pytest.mark.parametrize(
    ("command", "argument", "sentence"),
    [
        ("test_ses", "nobody", "is not an e-mail address"),
        ("test_sns", "2025550123", "with its country code"),
        ("test_sns", "+1202555012", "No phone can have this number"),
        ("test_sns", "+1 202 555 0123", r"Write \+ and digits only"),
    ],
)
def test_an_impossible_recipient_is_refused_before_any_call(
    command: str, argument: str, sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command(command, argument)
    assert memory.emails == memory.texts == []


def test_a_failure_says_what_to_do() -> None:
    memory.failures.append(ChannelUnavailableError("Credentials Invalid", code="535"))
    with pytest.raises(CommandError, match=r"535 Credentials Invalid\. Check the credentials"):
        call_command("test_ses", "you@fleet.example")


def test_a_failure_as_json_is_json_and_still_a_failure(capsys: Any) -> None:
    memory.failures.append(PermanentError("no such user", code="550"))
    with pytest.raises(CommandError):
        call_command("test_ses", "you@fleet.example", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert "550 no such user" in answer["error"]


def test_switched_off_text_messages_are_named(settings: Any) -> None:
    settings.SMS_ENABLED = False
    with pytest.raises(CommandError, match="SMS_ENABLED=true"):
        call_command("test_sns", "+12025550123")


def test_staging_does_not_send_a_test_to_a_stranger(settings: Any) -> None:
    settings.ENVIRONMENT = "staging"
    settings.STAGING_ALLOWED_RECIPIENTS = []
    with pytest.raises(CommandError, match="STAGING_ALLOWED_RECIPIENTS"):
        call_command("test_ses", "you@fleet.example")
    assert memory.emails == []


def test_a_refused_argument_is_json_if_json_was_asked_for(capsys: Any) -> None:
    with pytest.raises(CommandError):
        call_command("test_sns", "2025550123", "--json")
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_an_impossible_region_is_a_sentence_and_no_traceback(settings: Any) -> None:
    settings.SMS_BACKEND = "apps.core.providers.sns.SNS"
    settings.AWS_SNS_REGION_NAME = "not a region"
    providers.forget()
    with pytest.raises(CommandError, match="region"):
        call_command("test_sns", "+12025550123")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_a_command_in_silence(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", "help"],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=writer,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
