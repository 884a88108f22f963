"""Staging, as deployed except for AWS itself, reaches its allow-list only."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from apps.aws.kinds import LOOPBACK as ROUND_TRIP
from apps.core.audit.ledger import ledger
from apps.core.message import kinds
from apps.core.message.account_kinds import ACCOUNT
from apps.core.models import Delivery, Notification
from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, LogEvent
from apps.office.kinds import ANNOUNCEMENT
from sandbox.testing import SMTP_PASSWORD, SMTP_USER, RunningSandbox
from tools.processes import LOOPBACK
from tools.supervisor import ROOT

from .support.services import Worker, database_url, wait_with_beat
from .support.tls import Authority, tls_front

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

ADDRESS, NUMBER = "jane@rssystems.example", "+12025550106"
ADDRESSEE, NUMBER_OWNER = "jane", "tom"
STRANGER = "administrator@stranger.example"
STRANGER_S_NUMBER = "+12025550999"
REASON = "not among the recipients that staging may reach"
NOT_AGREED = "has not agreed to text messages"


@pytest.fixture
def sandbox(running: RunningSandbox) -> RunningSandbox:
    return running


@pytest.fixture
def staging(sandbox: RunningSandbox, redis_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return staging's variables, with TLS in front of the sandbox and Redis."""
    authority = Authority(tmp_path, "authority")
    certificate = authority.issue(LOOPBACK)
    with (
        tls_front(sandbox.smtp_port, certificate) as smtp_port,
        tls_front(urlsplit(redis_url).port or 0, certificate) as redis_port,
    ):
        yield {
            "ENVIRONMENT": "staging",
            "DJANGO_SETTINGS_MODULE": "rs_systems.settings_aws",
            "SECRET_KEY": "k9$Zp2-vX7qLw4mT8rB1nC6yH3sJ5dF0gAeUiOoPzQxWcVbNmMlKkJhGfDs",
            "ALLOWED_HOSTS": "staging.example.com",
            "SITE_URL": "https://staging.example.com",
            "CELERY_BROKER_URL": f"rediss://{LOOPBACK}:{redis_port}/0",
            "AWS_SES_HOST": LOOPBACK,
            "AWS_SES_PORT": str(smtp_port),
            "AWS_SES_TLS": "implicit",
            "AWS_SES_SMTP_USER": SMTP_USER,
            "AWS_SES_SMTP_PASSWORD": SMTP_PASSWORD,
            "AWS_ENDPOINT_URL_SNS": sandbox.aws_url,
            "SMS_BACKEND": "apps.core.providers.sns.SNS",
            "SNS_TRUST_SANDBOX": "false",
            "SSL_CERT_FILE": str(authority.certificate),
            "STAGING_ALLOWED_RECIPIENTS": f"{ADDRESS},{NUMBER}",
            "ADMIN_EMAIL": STRANGER,
            "ONCALL_PHONE": STRANGER_S_NUMBER,
        }


def manage(variables: dict[str, str], *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url()} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def run(variables: dict[str, str], *names: str) -> None:
    """Run functions of `tests.support.everything` in a process with these variables."""
    calls = "; ".join(f"everything.{name}()" for name in names)
    manage(
        variables, "shell", "--no-imports", "-c", f"from tests.support import everything; {calls}"
    )


def recipients(messages: list[dict[str, Any]]) -> set[str]:
    """Return the addresses of all envelopes and the numbers of all texts."""
    mails = [message for message in messages if message["kind"] == "email"]
    texts = [message for message in messages if message["kind"] == "sms"]
    return {to for mail in mails for to in mail["to"]} | {text["phone"] for text in texts}


def test_a_whole_demo_run_reaches_the_allow_list_only(
    sandbox: RunningSandbox, staging: dict[str, str], worker: Callable[..., Worker]
) -> None:
    manage(staging, "check", "--deploy", "--fail-level", "WARNING")
    call_command("seed_demo")
    run(staging, "alert_the_administrator")
    assert sandbox.messages() == []

    worker(concurrency=2, **staging)
    run(staging, "drive_repairs", "notify_everyone", "confirm_addresses")
    of_repairs = Notification.objects.exclude(about_type=None)
    others = (ACCOUNT, ROUND_TRIP.category, ANNOUNCEMENT.category)
    known = kinds.REGISTRY.values()
    about_repairs = {kind.name for kind in known if kind.category not in others}
    assert set(of_repairs.values_list("kind", flat=True)) == about_repairs
    open_ones = Delivery.objects.exclude(state__in=[DeliveryState.ACCEPTED, DeliveryState.SKIPPED])
    wait_with_beat(lambda: not open_ones.exists(), "every delivery is sent or skipped")
    allowed = {"ADMIN_EMAIL": ADDRESS, "ONCALL_PHONE": NUMBER}
    run(staging | allowed, "alert_the_administrator")

    messages = sandbox.messages()
    assert recipients(messages) == {ADDRESS, NUMBER}
    subjects = [message["subject"] for message in messages if message["kind"] == "email"]
    assert [each for each in subjects if not each.startswith("[staging] ")] == []
    assert {"[staging] To the administrators", "[staging] ERROR: An error of a page"} <= set(
        subjects
    )
    assert any("text message budget" in subject for subject in subjects)
    texts = [message["body"] for message in messages if message["kind"] == "sms"]
    assert any("text message budget" in text for text in texts)

    sent = Delivery.objects.filter(state=DeliveryState.ACCEPTED)
    assert set(sent.values_list("notification__recipient__username", "channel")) == {
        (ADDRESSEE, Channel.EMAIL),
        (NUMBER_OWNER, Channel.SMS),
    }
    assert len(messages) == sent.count() + 4
    skipped = Delivery.objects.filter(state=DeliveryState.SKIPPED)
    for kept in skipped.exclude(decision=Reason.SETTLED):
        lines = list(kept.log.exclude(event=LogEvent.FALLBACK).values_list("event", "detail"))
        assert lines in ([(LogEvent.SKIPPED, REASON)], [(LogEvent.SKIPPED, NOT_AGREED)])
        assert lines[0][1] == REASON or kept.notification.recipient.username == "dave"
    assert ledger(None).balances
