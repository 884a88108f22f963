"""The dev inbox's phone answers STOP, START and HELP."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sandbox.testing import RunningSandbox
from tests.support.clients import SendText, aws
from tests.support.inbox import INBOX, page

JANE = "+12025550105"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("endpoint")]


def reply(client: Client, text: str) -> str:
    fields = {"phone": JANE, "text": text, "person": "jane"}
    answer = client.post(f"{INBOX}reply/", fields, follow=True)
    return answer.content.decode()


def test_the_phone_s_answers_stand_among_the_texts(
    client: Client, jane: User, sms: SendText, sandbox: RunningSandbox
) -> None:
    sms(JANE, "R-1042 is approved")
    shown = reply(client, "STOP")
    assert shown.index("R-1042 is approved") < shown.index('sandbox-own">STOP<')
    assert "You are opted out" in shown
    assert f"{JANE} answered STOP." in shown
    assert aws(sandbox).list_phone_numbers_opted_out()["phoneNumbers"] == [JANE]
    reply(client, "START")
    assert aws(sandbox).list_phone_numbers_opted_out()["phoneNumbers"] == []


def test_an_answer_appears_on_an_open_page(
    client: Client, jane: User, sandbox: RunningSandbox
) -> None:
    shown = page(client, person="jane")
    seen = shown.split('{"seen": "')[1].split('"')[0].replace("\\u002D", "-")
    live = {"person": "jane", "seen": seen}
    assert client.get(f"{INBOX}live/", live).status_code == 204
    sandbox.reply(JANE, "HELP")
    assert 'data-testid="sandbox-reply"' in client.get(f"{INBOX}live/", live).content.decode()


@pytest.mark.parametrize("fields", [{}, {"phone": JANE}, {"phone": JANE, "text": "DROP"}])
def test_an_unknown_answer_is_not_found(client: Client, jane: User, fields: dict[str, str]) -> None:
    assert client.post(f"{INBOX}reply/", fields).status_code == 404
    assert client.get(f"{INBOX}reply/").status_code == 405


def test_an_answer_to_a_sandbox_that_is_gone_is_an_error(
    client: Client, jane: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_URL", "http://127.0.0.1:9")
    assert "Nothing was answered." in reply(client, "STOP")
