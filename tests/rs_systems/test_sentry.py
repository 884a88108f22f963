"""What is reported to Sentry, by a transport that keeps it."""

import json
import logging
from typing import Any
from uuid import uuid4

import pytest
import sentry_sdk
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from rs_systems import sentry
from tests.support.settings import PRODUCTION, run

DSN = "https://key@sentry.invalid/1"


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        if event := envelope.get_event():
            self.events.append(event)


@pytest.fixture
def kept():
    transport = Kept()
    sentry.start(DSN, "staging", transport=transport)
    yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_an_error_of_a_page_is_reported_without_the_person(
    kept, client, person, settings, monkeypatch
):
    user, settings.METRICS_TOKEN = person(), "a-token-of-prometheus"
    # Not written out: a report has the lines of the source.
    secret = "-".join(["hunter2", "in", "a", "variable"])

    def fail() -> None:
        name = secret
        raise ValueError(f"no such user: {user.contact.email} {user.contact.phone} {len(name)}")

    monkeypatch.setattr("apps.core.scrape.exposition", fail)
    client.force_login(user)
    client.raise_request_exception = False
    token = uuid4().hex
    bearer = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
    answer = client.get(f"/metrics?q={user.contact.email}&t={token}", headers=bearer)
    assert answer.status_code == 500
    [event] = kept.events
    text = json.dumps(event, default=str)
    assert event["environment"] == "staging"
    [error] = event["exception"]["values"]
    assert error["value"].startswith("no such user: p***@")
    for private in (
        user.contact.email,
        user.contact.phone,
        user.username,
        secret,
        token,
        settings.METRICS_TOKEN,
    ):
        assert private not in text
    assert client.cookies["sessionid"].value not in text
    assert "user" not in event
    assert not sentry_sdk.get_client().should_send_default_pii()


def test_an_error_log_is_reported_redacted(kept):
    logging.getLogger("apps.x").error("not sent to %s", "jane@fleet.example")
    [event] = kept.events
    assert "jane@" not in json.dumps(event, default=str)
    assert "j***@fleet.example" in json.dumps(event, default=str)


@pytest.mark.postgresql
@pytest.mark.django_db
def test_a_row_that_the_database_refuses_is_not_quoted(kept):
    # Not written out: a report has the lines of the source.
    name = "-".join(["jane", "ortiz"])
    User.objects.create_user(name)
    try:
        with transaction.atomic():
            User.objects.create_user(name)
    except IntegrityError:
        logging.getLogger("apps.x").exception("user not created")
    [event] = kept.events
    text = json.dumps(event, default=str)
    assert "duplicate key value violates unique constraint" in text
    assert name not in text


def test_without_a_dsn_the_sdk_is_not_even_imported() -> None:
    code = "import django, sys; django.setup(); print('sentry_sdk' in sys.modules)"
    assert run(code, **PRODUCTION).stdout.strip() == "False"
    with_dsn = run(code, **PRODUCTION, SENTRY_DSN=DSN)
    assert with_dsn.stdout.strip() == "True", with_dsn.stderr
