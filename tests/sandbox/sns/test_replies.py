"""What phones answer, and what SNS does with it."""

import json

import pytest

from sandbox.testing import RunningSandbox
from tests.support.clients import PHONE, ask, aws


def opted_out(sandbox: RunningSandbox) -> list[str]:
    return list(aws(sandbox).list_phone_numbers_opted_out()["phoneNumbers"])


@pytest.mark.parametrize(
    "text", ["STOP", " stop ", "Stop.", "Stop texting me", "unsubscribe", "END"]
)
def test_an_answer_that_begins_with_stop_opts_the_number_out(
    sandbox: RunningSandbox, text: str
) -> None:
    assert sandbox.reply(PHONE, text).startswith("You are opted out")
    assert opted_out(sandbox) == [PHONE]
    assert sandbox.reply(PHONE, "START").startswith("You are opted in again")
    assert opted_out(sandbox) == []


@pytest.mark.parametrize("text", ["please stop", "No", "Thanks!", "NONSTOP"])
def test_another_answer_changes_nothing_and_gets_no_answer(
    sandbox: RunningSandbox, text: str
) -> None:
    assert sandbox.reply(PHONE, text) == ""
    assert opted_out(sandbox) == []


def test_help_is_answered_by_sns_itself(sandbox: RunningSandbox) -> None:
    assert "STOP" in sandbox.reply(PHONE, "help")
    assert opted_out(sandbox) == []


def test_answers_are_listed_until_the_sandbox_is_cleared(sandbox: RunningSandbox) -> None:
    for text in ("HELP", "Thanks"):
        sandbox.reply(PHONE, text)
    _, listed = ask(sandbox, "/api/replies")
    assert [(each["phone"], each["text"]) for each in listed["replies"]] == [
        (PHONE, "HELP"),
        (PHONE, "Thanks"),
    ]
    sandbox.clear()
    assert ask(sandbox, "/api/replies")[1] == {"replies": []}


@pytest.mark.parametrize(
    "body",
    ["", "[]", '{"phone": "+12025550123"}', '{"phone": "x", "text": "STOP"}', '{"phone": 1}'],
)
def test_an_answer_that_is_not_understood_is_refused(sandbox: RunningSandbox, body: str) -> None:
    answer, said = ask(sandbox, "/api/replies", "POST", body)
    assert answer.status == 400
    assert "NUMBER" in json.dumps(said)
