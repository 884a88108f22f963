"""The cockpit: whether messages flow, seen in ten seconds, and what a person does about it."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from apps.core.audit import heartbeat, latency, observations, readings, rollups
from apps.core.audit.alarms import watch
from apps.core.delivery import sweeps
from apps.core.exceptions import ChannelUnavailableError
from apps.core.guards import circuit_breaker, sms_budget
from apps.core.models import (
    Alarm,
    ChannelStop,
    DayFigures,
    Delivery,
    MinuteFigures,
    NotificationDeliveryLog,
    SMSSpend,
)
from apps.core.models.channel_stop import StopCause
from apps.core.models.tally import BUCKETS
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from apps.office import charts, cockpit, resuming
from tests.support.attempts import attempt

COCKPIT = "/office/"
Make = Callable[..., Delivery]
REFUSED = ChannelUnavailableError("Authentication Credentials Invalid", code="535")


@pytest.fixture(autouse=True)
def _quiet(quiet_alarms: None) -> Iterator[None]:
    """Let no alarm ring by itself, and keep no strip of another test."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("sam", first_name="Sam", last_name="Ortiz"))
    return client


def page(client: Client, path: str = COCKPIT, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_without_any_data_all_is_flowing(office: Client) -> None:
    text = page(office)
    assert "All is flowing" in text
    # Right after the start no task has counted, which does not mean that nothing left.
    assert "not within 30 days" not in text
    assert text.count("not counted yet") == 5
    assert "No worker has answered yet." in text
    assert "None has rung yet." in text


def test_a_stopped_channel_is_the_first_sentence(office: Client) -> None:
    circuit_breaker.stop(Channel.EMAIL, REFUSED)
    text = page(office)
    assert "verdict-bad" in text
    assert "the provider does not accept our account or its settings (535 Authentication" in text
    assert "Try e-mail now" in text


def test_a_silent_beat_shows_although_no_task_evaluates(
    office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "age", lambda: timedelta(minutes=9))
    assert "The sweep has not run for 540 s: beat, or the worker of housekeeping" in page(office)
    assert not Alarm.objects.exists()


def test_what_was_sent_shows_with_its_speed_and_its_charts(office: Client, delivery: Make) -> None:
    for _ in range(3):
        attempt(delivery().pk)
    rollups.keep()
    observations.read_reasons()
    [email, sms] = cockpit.context()["channels"]
    [hour, today] = email.speeds
    assert (hour.count, today.count) == (3, 3)
    assert hour.prompt == "100.0%"
    assert email.charts[0].hour.words.startswith("3 in the last hour, at most")
    assert email.charts[0].days.words == "3 in the last 30 days, at most 3 in a day"
    assert sms.charts[0].hour.words == "0 in the last hour"
    assert "3 in the last hour" in page(office)


def test_the_queue_the_readings_and_the_money_show(
    office: Client, delivery: Make, person: Any
) -> None:
    delivery(next_attempt_at=timezone.now() - timedelta(minutes=3))
    delivery(
        state=DeliveryState.SKIPPED, next_attempt_at=None, decision="no_email", reason="no address"
    )
    bounced = delivery(state=DeliveryState.BOUNCED, next_attempt_at=None)
    for event, code in ((LogEvent.BOUNCED, "Permanent General"), (LogEvent.PERMANENT, "554")):
        NotificationDeliveryLog.objects.create(delivery=bounced, attempt=1, event=event, code=code)
    observations.read_reasons()
    readings.store(readings.REPUTATION, sent=1000, bounced=12, complained=0)
    readings.store(readings.QUOTA, sent=1200.0, most=50000.0)
    readings.note_workers(["one@host"])
    SMSSpend.objects.create(month=sms_budget.this_month(), committed_usd=Decimal("12.50"))
    DayFigures.objects.create(
        day=rollups.today() - timedelta(days=1), channel=Channel.SMS, dollars=7, parts=9
    )
    text = page(office)
    for words in (
        "1.20%",
        "1,200 of 50,000 (2%)",
        "one@host",
        "$12.50",
        "<td>1</td><td>3 min</td>",
        "Skipped: has no e-mail address",
        'Bounced: the address does not work <span class="soft">Permanent General</span>',
        'Refused for good <span class="soft">554</span>',
    ):
        assert words in text, words
    left = cockpit.context()["texts"]
    assert left.forecast >= Decimal("12.50")


def test_the_month_s_parts_have_its_first_day_on_the_31st(
    office: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 10, 31, 18, tzinfo=UTC))
    for day in (date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 31)):
        DayFigures.objects.create(day=day, channel=Channel.SMS, parts=day.day)
    assert cockpit.context()["texts"].parts == 32


def test_a_worker_that_stopped_answering_is_named_with_its_last_answer(office: Client) -> None:
    readings.note_workers(["gone@host", "here@host"])
    row = readings.all_by_name()[readings.WORKERS]
    row.numbers["gone@host"] = (timezone.now() - timedelta(minutes=14)).isoformat()
    row.save()
    readings.note_workers(["here@host"])
    found = {each.name: each.is_online for each in cockpit.context()["workers"]}
    assert found == {"gone@host": False, "here@host": True}
    assert "does not answer" in page(office)


def fill_figures() -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    values = {"accepted": 5, "took_1s": 5}
    for channel in Channel:
        MinuteFigures.objects.bulk_create(
            MinuteFigures(minute=now - timedelta(minutes=n), channel=channel, **values)
            for n in range(60)
        )
        DayFigures.objects.bulk_create(
            DayFigures(day=rollups.today() - timedelta(days=n), channel=channel, **values)
            for n in range(30)
        )


def test_the_page_asks_as_much_however_much_there_is(
    office: Client,
    delivery: Make,
    django_assert_num_queries: Any,
    django_assert_max_num_queries: Any,
) -> None:
    # The first page of a process looks up content types.
    page(office)
    with django_assert_max_num_queries(16) as few:
        page(office)
    fill_figures()
    for _ in range(5):
        delivery(priority=Priority.URGENT)
    for name in ("bounces", "doctor"):
        Alarm.objects.create(
            name=name, seen_at=timezone.now(), started_at=timezone.now(), value=1, sentence="x"
        )
    circuit_breaker.pause(Channel.EMAIL, "sam", "")
    readings.note_workers([f"w{n}@host" for n in range(9)])
    with django_assert_num_queries(len(few)):
        text = page(office)
    assert "300 in the last hour, at most 5 in a minute" in text


def test_htmx_gets_the_figures_alone(office: Client) -> None:
    text = page(office, **{"HX-Request": "true"})
    assert text.startswith('<section class="verdict')
    assert "<html" not in text


def test_only_staff_with_the_right_see_it_and_act(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("jane"))
    assert client.get(COCKPIT).status_code == 403
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_notification"))
    client.force_login(looker)
    assert "Pause" not in page(client)
    for action in ("pause", "resume", "try"):
        assert client.post(f"{COCKPIT}channels/email/{action}/").status_code == 403
    assert not ChannelStop.objects.exists()
    assert Client().get(COCKPIT).status_code == 302


def test_a_pause_asks_first_and_is_logged_and_rings(office: Client, delivery: Make) -> None:
    row = delivery()
    assert "Pause e-mail?" in page(office, f"{COCKPIT}channels/email/pause/")
    assert not ChannelStop.objects.exists()
    office.post(f"{COCKPIT}channels/email/pause/", {"why": "wrong \0 announcement\u202e"})
    stop = ChannelStop.objects.get()
    assert (stop.cause, stop.reason) == (StopCause.PERSON, "by Sam Ortiz: wrong announcement")
    assert "Paused E-mail: wrong announcement" in LogEntry.objects.get().get_change_message()
    assert Alarm.objects.get().name == "email-paused"
    assert sweeps.due() == []
    attempt(row.pk)
    assert memory.emails == []
    assert "E-mails are paused by Sam Ortiz: wrong announcement." in page(office)


def test_a_resume_lets_what_waited_go_and_ends_the_alarm_at_once(
    office: Client, delivery: Make, woken: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    row = delivery()
    circuit_breaker.pause(Channel.EMAIL, "tom", "")
    watch.evaluate()
    with django_capture_on_commit_callbacks(execute=True):
        office.post(f"{COCKPIT}channels/email/resume/", {"cause": "person"})
    assert not ChannelStop.objects.exists()
    assert Alarm.objects.get().ended_at
    assert [name for name, _ in woken] == ["apps.core.tasks.dispatch_due_notifications"]
    assert "All is flowing" in page(office)
    attempt(row.pk)
    assert len(memory.emails) == 1
    assert LogEntry.objects.get().get_change_message() == "Resumed E-mail"
    office.post(f"{COCKPIT}channels/email/resume/", {"cause": "person"})
    assert LogEntry.objects.count() == 1


def test_of_two_who_resume_at_once_one_did_it(office: Client) -> None:
    sam = User.objects.get(first_name="Sam")
    for channel, hold in (
        (Channel.EMAIL, lambda: circuit_breaker.hold_back(Channel.EMAIL, "too many bounces")),
        (Channel.SMS, lambda: circuit_breaker.pause(Channel.SMS, "tom", "")),
    ):
        hold()
        seen = [ChannelStop.objects.get(channel=channel) for _ in range(2)]
        assert [resuming.resume(stop, sam) for stop in seen] == [True, False]
    assert LogEntry.objects.count() == 2


def test_the_office_resumes_what_the_reputation_held_back(office: Client) -> None:
    circuit_breaker.hold_back(Channel.EMAIL, "too many bounces")
    assert "Only urgent" in page(office)
    office.post(f"{COCKPIT}channels/email/resume/", {"cause": "reputation"})
    assert not ChannelStop.objects.exists()


def test_a_person_cannot_resume_what_the_provider_refuses_but_try_it(
    office: Client, woken: list[Any]
) -> None:
    circuit_breaker.stop(Channel.EMAIL, REFUSED)
    office.post(f"{COCKPIT}channels/email/resume/", {"cause": "provider"})
    assert ChannelStop.objects.exists()
    before = ChannelStop.objects.get().probe_at
    office.post(f"{COCKPIT}channels/email/try/")
    after = ChannelStop.objects.get().probe_at
    assert after is not None
    assert before is not None
    assert after < before
    assert office.post(f"{COCKPIT}channels/fax/try/").status_code == 404


def test_a_strip_on_the_pages_of_the_staff_says_what_is_wrong(
    office: Client, person: Any, django_assert_num_queries: Any
) -> None:
    people = "/office/people/"
    assert 'data-testid="strip"' not in page(office, people)
    circuit_breaker.pause(Channel.SMS, "sam", "")
    watch.evaluate()
    assert 'data-testid="strip"' not in page(office, people), "kept for some seconds"
    cache.clear()
    text = page(office, people)
    assert "Text messages are paused" in text
    # Not on the cockpit, which says it already, nor for others.
    assert 'data-testid="strip"' not in page(office)
    client = Client()
    client.force_login(person())
    assert 'data-testid="strip"' not in page(client, "/notifications/")


def test_the_strip_costs_one_statement_and_then_none(
    db: None, django_assert_num_queries: Any
) -> None:
    from apps.core.audit.alarms import standing

    with django_assert_num_queries(1):
        assert standing.strip() is None
    with django_assert_num_queries(0):
        assert standing.strip() is None


@pytest.mark.parametrize(
    ("counts", "median", "p99", "prompt"),
    [
        ({}, None, None, None),
        ({"took_1s": 100}, 0.75, 0.995, 1.0),
        ({"took_500ms": 50, "took_20s": 50}, 0.5, 19.8, 0.5),
        ({"took_longer": 3}, float("inf"), float("inf"), 0.0),
    ],
)
def test_quantiles_are_read_from_the_histogram(
    counts: dict[str, int], median: Any, p99: Any, prompt: Any
) -> None:
    histogram = dict.fromkeys(BUCKETS, 0) | counts
    assert latency.quantile(histogram, 0.5) == median
    assert latency.quantile(histogram, 0.99) == (p99 and pytest.approx(p99))
    assert latency.share_within(histogram, 10) == prompt


def test_a_chart_draws_what_its_words_say() -> None:
    chart = charts.bars([0, 1, 100], 100, "hour", "minute")
    assert chart.path == "M100 36v-2h80V36zM200 36v-36h80V36z"
    assert chart.words == "101 in the last hour, at most 100 in a minute"
    assert charts.bars([0, 0], 0, "hour", "minute").path == ""
