"""Each alarm starts and ends with real rows, is told once of each, and is never lost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from apps.core.audit import findings, heartbeat, observations, readings, rollups, task_counts
from apps.core.audit.alarms import figures, rules, telling, watch
from apps.core.audit.alarms.figures import Figures
from apps.core.delivery import broker
from apps.core.exceptions import ChannelUnavailableError, TransientError
from apps.core.guards import circuit_breaker, reputation, sms_budget
from apps.core.models import (
    Alarm,
    ChannelStop,
    Delivery,
    Mark,
    MinuteFigures,
    NotificationDeliveryLog,
    Reading,
    SMSSpend,
)
from apps.core.models.channel_stop import StopCause
from apps.core.models.delivery_log import allow_deletion
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from tests.support import services
from tools.supervisor import ROOT

Make = Callable[..., Delivery]
REFUSED = ChannelUnavailableError("credentials invalid", code="535")


@pytest.fixture(autouse=True)
def _quiet(quiet_alarms: None, db: None) -> None:
    """Let no alarm ring by itself."""


def ringing() -> set[str]:
    watch.evaluate()
    return set(Alarm.objects.ringing().values_list("name", flat=True))


def later(**length: float) -> None:
    """Let all open alarms have been seen for longer."""
    Alarm.objects.update(seen_at=F("seen_at") - timedelta(**length))


def log(row: Delivery, event: LogEvent, count: int) -> None:
    NotificationDeliveryLog.objects.bulk_create(
        NotificationDeliveryLog(delivery=row, attempt=n, event=event) for n in range(count)
    )
    rollups.keep()


def forget_the_log() -> None:
    allow_deletion()
    NotificationDeliveryLog.objects.all().delete()
    MinuteFigures.objects.all().delete()


def store_reputation(sent: int, bounced: int, complained: int) -> None:
    readings.store(readings.REPUTATION, sent=sent, bounced=bounced, complained=complained)


def test_bounces_and_complaints_ring_above_their_shares_of_enough_e_mails() -> None:
    for sent, bounced, complained, expected in (
        (1000, 50, 0, set()),
        (1000, 51, 0, {"bounces"}),
        # It ends when it is clearly below.
        (1000, 48, 0, {"bounces"}),
        (1000, 44, 0, set()),
        (99, 90, 90, set()),
        (1000, 0, 1, set()),
        (1000, 0, 2, {"complaints"}),
        (10_000, 0, 2, set()),
    ):
        store_reputation(sent, bounced, complained)
        assert ringing() == expected, (sent, bounced, complained)


def test_the_daily_quota_rings_and_an_old_reading_changes_nothing() -> None:
    readings.store(readings.QUOTA, sent=40_000, most=50_000)
    assert ringing() == set()
    readings.store(readings.QUOTA, sent=40_001, most=50_000)
    assert ringing() == {"daily-quota"}
    readings.store(readings.QUOTA, sent=10, most=50_000)
    Reading.objects.update(at=timezone.now() - timedelta(hours=3))
    assert ringing() == {"daily-quota"}
    readings.store(readings.QUOTA, sent=10, most=50_000)
    assert ringing() == set()


@pytest.mark.parametrize(("most", "age"), [(-1, 0), (50_000, 25)])
def test_an_account_without_a_quota_or_a_day_old_reading_ends_its_alarm(
    most: int, age: int
) -> None:
    readings.store(readings.QUOTA, sent=50_000, most=50_000)
    assert ringing() == {"daily-quota"}
    readings.store(readings.QUOTA, sent=50_000, most=most)
    Reading.objects.update(at=timezone.now() - timedelta(hours=age))
    assert ringing() == set()


def test_a_rule_that_fails_silences_no_other(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def fail(_: Figures) -> None:
        raise ZeroDivisionError

    broken = replace(rules.BY_NAME["bounces"], measure=fail)
    monkeypatch.setattr("apps.core.audit.alarms.watch.RULES", [broken, *rules.RULES])
    readings.store(readings.QUOTA, sent=50_000, most=50_000)
    assert ringing() == {"daily-quota"}
    assert "alarm bounces not judged" in caplog.text


def test_the_month_s_texts_ring_at_80_and_at_100_percent(settings: Any) -> None:
    spend = SMSSpend.objects.create(month=sms_budget.this_month())
    for dollars, expected in (
        ("39.99999", set()),
        ("40", {"sms-spend"}),
        ("50", {"sms-spend", "sms-budget"}),
        ("1", set()),
    ):
        SMSSpend.objects.filter(pk=spend.pk).update(committed_usd=Decimal(dollars))
        assert ringing() == expected, dollars


def test_a_refused_text_rings_until_the_limit_is_raised(settings: Any) -> None:
    SMSSpend.objects.create(
        month=sms_budget.this_month(), committed_usd=Decimal("49.9"), refused_at=timezone.now()
    )
    assert ringing() == {"sms-spend", "sms-budget"}
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = Decimal(100)
    assert ringing() == set()


def test_failing_texts_and_too_many_texts_ring(delivery: Make, settings: Any) -> None:
    row = delivery(Channel.SMS, state=DeliveryState.BOUNCED, next_attempt_at=None)
    log(row, LogEvent.ACCEPTED, 20)
    log(row, LogEvent.BOUNCED, 2)
    assert ringing() == set(), "two failures are too few"
    log(row, LogEvent.BOUNCED, 1)
    assert ringing() == {"sms-failures"}
    forget_the_log()
    assert ringing() == set()
    settings.ALARM_SMS_PER_HOUR = 30
    log(row, LogEvent.ACCEPTED, 30)
    assert ringing() == set()
    log(row, LogEvent.ACCEPTED, 1)
    assert ringing() == {"sms-volume"}
    forget_the_log()
    assert ringing() == set()


def test_failing_attempts_ring(delivery: Make) -> None:
    row = delivery(state=DeliveryState.ACCEPTED, next_attempt_at=None)
    log(row, LogEvent.ACCEPTED, 27)
    log(row, LogEvent.TRANSIENT, 3)
    assert ringing() == set(), "10 % are allowed"
    log(row, LogEvent.AMBIGUOUS, 1)
    assert ringing() == {"attempt-failures"}
    forget_the_log()
    assert ringing() == set()


def test_tasks_that_raise_errors_ring() -> None:
    for has_failed in (False,) * 27 + (True,) * 3:
        task_counts.count(has_failed=has_failed)
    assert task_counts.within(10) == (30, 3)
    assert ringing() == set(), "10 % are allowed"
    task_counts.count(has_failed=True)
    assert ringing() == {"task-failures"}
    for _ in range(30):
        task_counts.count(has_failed=False)
    assert ringing() == set()


def test_each_task_of_a_worker_is_counted() -> None:
    from celery import signals, states

    signals.task_postrun.send(sender=None, state=states.SUCCESS)
    signals.task_postrun.send(sender=None, state=states.FAILURE)
    assert task_counts.within(2) == (2, 1)


def test_without_redis_tasks_are_not_known(redis_server: services.Redis) -> None:
    redis_server.stop()
    task_counts.count(has_failed=True)
    assert figures.tasks() is None


def test_a_worker_that_is_offline_rings_after_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "workers", lambda: [])
    assert ringing() == set()
    later(minutes=2)
    assert ringing() == {"worker-offline"}
    monkeypatch.setattr(broker, "workers", lambda: ["w@tests"])
    assert ringing() == set()
    assert Alarm.objects.get().ended_at


def test_what_passes_before_its_time_leaves_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "workers", lambda: [])
    assert ringing() == set()
    monkeypatch.setattr(broker, "workers", lambda: ["w@tests"])
    assert ringing() == set()
    assert not Alarm.objects.exists()


def test_a_deep_queue_rings_after_five_minutes(delivery: Make, settings: Any) -> None:
    settings.ALARM_QUEUE_DEPTH = 2
    rows = [delivery() for _ in range(3)]
    assert ringing() == set()
    later(minutes=5)
    assert ringing() == {"queue-depth"}
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).delete()
    assert ringing() == set()


@pytest.mark.parametrize("cause", StopCause)
def test_what_waits_for_a_stopped_channel_is_no_deep_queue(
    delivery: Make, settings: Any, cause: StopCause
) -> None:
    settings.ALARM_QUEUE_DEPTH = 2
    for _ in range(3):
        delivery()
    ChannelStop.objects.create(channel=Channel.EMAIL, cause=cause, reason="by sam")
    watch.evaluate()
    later(minutes=6)
    assert "queue-depth" not in ringing()
    ChannelStop.objects.all().delete()
    watch.evaluate()
    later(minutes=6)
    assert "queue-depth" in ringing()


def test_refusals_that_stopped_the_channel_are_told_once(delivery: Make) -> None:
    row = delivery()
    circuit_breaker.stop(Channel.EMAIL, REFUSED)
    log(row, LogEvent.TRANSIENT, 5)
    assert ringing() == {"email-stopped"}
    circuit_breaker.resume(Channel.EMAIL, "accepted")
    assert ringing() == set(), "they are within the last ten minutes still"
    other = delivery(Channel.SMS)
    log(other, LogEvent.TRANSIENT, 5)
    assert ringing() == {"attempt-failures"}, "the other channel was not stopped"


def test_failures_after_a_stop_ring(delivery: Make) -> None:
    ago = timezone.now() - timedelta(minutes=4)
    values = {"name": "email-stopped", "value": 1, "sentence": "x", "seen_at": ago}
    Alarm.objects.create(**values, started_at=ago, ended_at=ago + timedelta(minutes=1))
    log(delivery(), LogEvent.TRANSIENT, 5)
    assert ringing() == {"attempt-failures"}


def test_an_urgent_message_that_waits_rings_unless_its_channel_is_stopped(delivery: Make) -> None:
    past = timezone.now() - timedelta(seconds=90)
    row = delivery(priority=Priority.URGENT, next_attempt_at=past)
    delivery(next_attempt_at=past - timedelta(hours=1))
    assert ringing() == {"urgent-waits"}
    assert "1 urgent messages are due" in Alarm.objects.get().sentence
    circuit_breaker.pause(Channel.EMAIL, "sam", "")
    assert ringing() == {"email-paused"}
    circuit_breaker.resume(Channel.EMAIL, "by sam", cause=StopCause.PERSON)
    assert ringing() == {"urgent-waits"}
    row.delete()
    assert ringing() == set()


def test_a_silent_sweep_rings_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "age", lambda: None)
    monkeypatch.setattr(heartbeat, "redis_uptime", lambda: timedelta(hours=1))
    assert ringing() == set()
    later(minutes=1)
    assert ringing() == {"beat-silent"}
    monkeypatch.setattr(heartbeat, "age", lambda: timedelta(seconds=1))
    assert ringing() == set()


def test_a_sweep_that_a_new_redis_has_forgotten_is_not_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "age", lambda: None)
    monkeypatch.setattr(heartbeat, "redis_uptime", lambda: timedelta(seconds=5))
    assert figures.silence() == timedelta(seconds=5)
    monkeypatch.setattr(heartbeat, "redis_uptime", lambda: timedelta(days=9))
    assert figures.silence() == heartbeat.LIFE


def test_figures_that_are_no_longer_counted_ring() -> None:
    assert ringing() == set(), "before the first run nothing is known"
    rollups.keep()
    assert ringing() == set()
    Mark.objects.update(at=F("at") - timedelta(minutes=20))
    assert ringing() == set()
    later(minutes=10)
    assert ringing() == {"figures-late"}
    rollups.keep()
    assert ringing() == set()


@pytest.mark.parametrize(
    ("name", "stop", "resume"),
    [
        (
            "email-stopped",
            lambda: circuit_breaker.stop(Channel.EMAIL, REFUSED),
            lambda: circuit_breaker.resume(Channel.EMAIL, ""),
        ),
        (
            "sms-stopped",
            lambda: circuit_breaker.stop(Channel.SMS, REFUSED),
            lambda: circuit_breaker.resume(Channel.SMS, ""),
        ),
        (
            "sms-paused",
            lambda: circuit_breaker.pause(Channel.SMS, "sam", "a loop"),
            lambda: circuit_breaker.resume(Channel.SMS, "", cause=StopCause.PERSON),
        ),
        (
            "email-held-back",
            lambda: circuit_breaker.hold_back(Channel.EMAIL, "too much bounces"),
            reputation.lift,
        ),
    ],
)
def test_a_stopped_channel_rings_until_it_runs(
    name: str, stop: Callable[[], Any], resume: Callable[[], Any]
) -> None:
    stop()
    assert ringing() == {name}
    resume()
    assert ringing() == set()


def test_the_ledger_and_the_doctor_ring_by_their_readings(delivery: Make) -> None:
    observations.check_ledger()
    assert ringing() == set()
    broken = delivery(next_attempt_at=None)
    observations.check_ledger()
    assert ringing() == {"ledger"}
    assert str(broken.pk) in Alarm.objects.get().sentence
    broken.notification.delete()
    observations.check_ledger()
    readings.store(readings.DOCTOR, findings.fail("1 of 9 checks fail. email.dkim: none.", ""))
    assert ringing() == {"doctor"}
    readings.store(readings.DOCTOR, findings.ok("All 9 checks pass or warn."))
    assert ringing() == set()


def test_what_is_not_known_leaves_an_alarm_as_it_is() -> None:
    now = timezone.now()
    for rule in rules.RULES:
        Alarm.objects.create(name=rule.name, seen_at=now, started_at=now, value=1, sentence="x")
    watch.apply(rules.RULES, Figures(now=now))
    unknown = {"bounces", "complaints", "daily-quota", "sms-spend", "sms-budget"}
    unknown |= {
        "task-failures",
        "worker-offline",
        "beat-silent",
        "figures-late",
        "ledger",
        "doctor",
    }
    assert set(Alarm.objects.ringing().values_list("name", flat=True)) == unknown


def test_an_alarm_of_an_earlier_version_ends() -> None:
    now = timezone.now()
    Alarm.objects.create(name="gone", seen_at=now, started_at=now, value=1, sentence="x")
    assert ringing() == set()
    telling.tell()
    assert memory.emails == []


# --- Telling -------------------------------------------------------------------------------------
@pytest.fixture
def phone(settings: Any) -> str:
    settings.ONCALL_PHONE = "+12025550199"
    return "+12025550199"


def run() -> tuple[list[str], list[str]]:
    """Evaluate and tell; return the subjects and the texts."""
    watch.evaluate()
    telling.tell()
    found = [str(mail.subject) for mail in memory.emails], [sms.text for sms in memory.texts]
    memory.clear()
    return found


def test_an_outage_of_e_mail_is_told_by_text_and_its_end_by_both(phone: str) -> None:
    circuit_breaker.stop(Channel.EMAIL, REFUSED)
    mails, [text] = run()
    assert mails == []
    assert text == (
        "RS Systems: e-mails are stopped. E-mails are stopped: the provider does not accept our "
        "account or its settings (535 credentials invalid)."
    )
    assert run() == ([], [])
    circuit_breaker.resume(Channel.EMAIL, "let through")
    mails, [text] = run()
    assert mails == ["RS Systems: over: e-mails are stopped"]
    assert text == "RS Systems: over: e-mails are stopped. E-mails go out again."
    assert run() == ([], [])


def test_an_outage_of_texts_is_told_by_e_mail(phone: str) -> None:
    circuit_breaker.stop(Channel.SMS, REFUSED)
    assert run() == (["RS Systems: text messages are stopped"], [])
    circuit_breaker.resume(Channel.SMS, "let through")
    mails, texts = run()
    assert mails == ["RS Systems: over: text messages are stopped"]
    assert len(texts) == 1
    assert run() == ([], [])


def test_what_could_not_be_sent_is_sent_by_the_next_run(phone: str) -> None:
    circuit_breaker.pause(Channel.EMAIL, "sam", "")
    memory.failures.extend([TransientError("busy"), TransientError("busy")])
    assert run() == ([], [])
    mails, texts = run()
    assert (len(mails), len(texts)) == (1, 1)
    assert run() == ([], [])


def test_several_alarms_of_a_minute_are_one_message(phone: str) -> None:
    store_reputation(1000, 90, 9)
    mails, texts = run()
    assert mails == ["RS Systems: too much e-mail bounces, and 1 more"]
    assert texts == ["RS Systems: too much e-mail bounces; too much e-mail is complained about"]


def test_a_text_is_one_part_long(phone: str) -> None:
    circuit_breaker.pause(Channel.SMS, "sam", "x" * 400)
    _, [text] = run()
    assert len(text) == telling.TEXT_LENGTH
    assert text.endswith("...")


def test_without_a_phone_or_texts_only_e_mail_tells(settings: Any) -> None:
    circuit_breaker.pause(Channel.SMS, "sam", "")
    assert run() == (["RS Systems: text messages are paused"], [])
    settings.ONCALL_PHONE, settings.SMS_ENABLED = "+12025550199", False
    circuit_breaker.resume(Channel.SMS, "", cause=StopCause.PERSON)
    assert run() == (["RS Systems: over: text messages are paused"], [])


def test_a_claimed_alarm_is_told_after_the_claim_has_expired() -> None:
    circuit_breaker.pause(Channel.SMS, "sam", "")
    watch.evaluate()
    Alarm.objects.update(claimed_at=timezone.now())
    assert run() == ([], [])
    Alarm.objects.update(claimed_at=F("claimed_at") - telling.CLAIM)
    assert run() == (["RS Systems: text messages are paused"], [])


def test_an_e_mail_about_an_alarm_leads_to_the_cockpit_and_the_runbook(settings: Any) -> None:
    circuit_breaker.pause(Channel.SMS, "sam", "a loop")
    watch.evaluate()
    telling.tell()
    [mail] = memory.emails
    assert "Text messages are paused by sam: a loop." in mail.body
    assert "docs/operations.md#sms-paused" in mail.body
    assert f"{settings.SITE_URL}/office/" in mail.body


# --- The command and the documents ---------------------------------------------------------------
def test_the_command_ends_with_1_while_an_alarm_rings(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_alarms")
    assert "No alarm rings." in capsys.readouterr().out
    circuit_breaker.pause(Channel.SMS, "sam", "")
    with pytest.raises(SystemExit) as end:
        call_command("check_alarms", "--json")
    assert end.value.code == 1
    assert '"name": "sms-paused"' in capsys.readouterr().out
    assert memory.emails == [], "it sends no message"


def test_every_alarm_has_a_section_in_the_runbook_and_a_line_in_the_table() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text()
    table = (ROOT / "docs" / "monitoring.md").read_text()
    for rule in rules.RULES:
        assert f"\n### {rule.name}\n" in runbook, rule.name
        assert f"[`{rule.name}`](operations.md#{rule.name})" in table, rule.name


def test_figures_are_collected_in_few_statements(
    delivery: Make, django_assert_max_num_queries: Any
) -> None:
    delivery()
    figures.collect()
    with django_assert_max_num_queries(15):
        figures.collect()
    assert ChannelStop.objects.count() == 0
