"""What the doctor and SES's quota leave for the alarms and the cockpit."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.aws import tasks
from apps.aws.doctor import checks, email, examination, watch
from apps.aws.doctor.examination import Examined
from apps.core import providers
from apps.core.audit import readings
from apps.core.audit.findings import Finding, fail, ok, warn
from apps.core.models import Reading
from sandbox.testing import RunningSandbox


def examined(**findings: Finding) -> list[Examined]:
    known = {check.id.replace(".", "_"): check for check in checks.CHECKS}
    return [Examined(known[name], finding) for name, finding in findings.items()]


def examine(monkeypatch: pytest.MonkeyPatch, **findings: Finding) -> Reading:
    monkeypatch.setattr(examination, "examine", lambda: examined(**findings))
    watch.examine()
    return Reading.objects.get(name=readings.DOCTOR)


def test_the_doctor_s_failures_are_stored_those_of_the_workers_aside(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examine(monkeypatch, email_dkim=warn("soon", ""), workers_beat=fail("silent", "Start."))
    assert (found.status, found.found) == ("ok", "All 1 checks pass or warn.")
    found = examine(
        monkeypatch,
        email_dkim=fail("messages are not signed", "Add the records."),
        redis_tls=ok("by TLS"),
    )
    assert found.status == "fail"
    assert found.found == "1 of 2 checks fail. email.dkim: messages are not signed."
    assert found.do == "Add the records."


@pytest.fixture
def by_ses(sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """Send e-mail by SES."""
    providers.forget()
    yield sandbox
    providers.forget()


def test_the_quota_is_read_from_ses(db: None, by_ses: RunningSandbox) -> None:
    by_ses.account(sent_last_24_hours=120)
    watch.read_quota()
    numbers = Reading.objects.get(name=readings.QUOTA).numbers
    assert numbers["sent"] == 120
    assert numbers["most"] > 120


def test_a_quota_that_cannot_be_read_leaves_the_one_before(
    db: None, by_ses: RunningSandbox, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    readings.store(readings.QUOTA, sent=5.0, most=200.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:1")
    watch.read_quota()
    assert Reading.objects.get(name=readings.QUOTA).numbers["sent"] == 5.0
    assert "SES's quota not read" in caplog.text


def test_nothing_is_read_if_e_mail_does_not_go_by_ses_or_in_development(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: Any) -> None:
        raise AssertionError("AWS was asked")

    monkeypatch.setattr(email, "day_quota", ask)
    watch.read_quota()
    monkeypatch.setattr(examination, "examine", ask)
    tasks.read_quota()
    tasks.examine_account()
    assert not Reading.objects.exists()
