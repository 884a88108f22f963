from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from apps.core import tasks
from apps.core.audit.ledger import ledger
from apps.core.channels.email import EmailService
from apps.core.delivery import broker, stand_ins, sweeps
from apps.core.delivery.attempt import claim_probe
from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    PermanentError,
    ThrottledError,
    TransientError,
)
from apps.core.guards import circuit_breaker, sms_budget
from apps.core.guards.suppressions import suppress
from apps.core.models import ChannelStop, Delivery, Notification, NotificationDeliveryLog
from apps.core.models.channel_stop import StopCause
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from tests.support.attempts import attempt, claimed, stand_in

Make = Callable[..., Delivery]
REFUSED = ChannelUnavailableError("credentials invalid for j@fleet.example", code="535")


@pytest.fixture(autouse=True)
def broker_is_empty(monkeypatch: pytest.MonkeyPatch, quiet_alarms: None) -> None:
    monkeypatch.setattr(broker, "waiting", lambda: dict.fromkeys(Priority, 0))


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def stop(channel: Channel = Channel.EMAIL, **values: Any) -> None:
    circuit_breaker.stop(channel, REFUSED)
    ChannelStop.objects.filter(channel=channel).update(**values)


def reached(row: Delivery) -> str:
    return str(row.notification.recipient.contact.email)


def probe_is_due() -> None:
    ChannelStop.objects.update(probe_at=timezone.now() - timedelta(seconds=1))


def test_a_refusal_of_the_account_stops_the_channel_at_no_cost(
    delivery: Make, story: Callable[[Delivery], list[str]]
) -> None:
    row = delivery()
    memory.failures.append(REFUSED)
    attempt(row.pk)
    after, stopped = fresh(row), ChannelStop.objects.get()
    assert (after.state, after.failures) == (DeliveryState.DUE, 0)
    assert story(row) == [LogEvent.CALLING, LogEvent.TRANSIENT]
    assert (stopped.channel, stopped.code) == (Channel.EMAIL, "535")
    assert stopped.reason == "credentials invalid for j***@fleet.example"


def test_on_a_stopped_channel_nothing_is_claimed_or_woken(delivery: Make) -> None:
    stop()
    rows = [delivery() for _ in range(5)]
    for row in rows:
        attempt(row.pk)
    assert {fresh(row).attempts for row in rows} == {0}
    assert memory.emails == []
    assert sweeps.due() == []


def test_the_other_channel_goes_on(delivery: Make) -> None:
    stop(Channel.EMAIL)
    row = delivery(Channel.SMS)
    assert sweeps.due() == [row]
    attempt(row.pk)
    assert fresh(row).state == DeliveryState.ACCEPTED


def test_a_due_probe_lets_one_delivery_through(delivery: Make) -> None:
    stop()
    older, newer = delivery(), delivery()
    probe_is_due()
    assert sweeps.due() == [older]
    assert claim_probe(older.pk)
    assert claim_probe(newer.pk) is None


@pytest.mark.parametrize("answer", [None, PermanentError("no such user", code="550")])
def test_an_answer_about_the_message_lets_the_channel_run_again(
    delivery: Make, answer: DeliveryError | None
) -> None:
    stop()
    row, waiting = delivery(), delivery()
    probe_is_due()
    memory.failures.extend([answer] if answer else [])
    attempt(row.pk)
    assert not ChannelStop.objects.exists()
    assert sweeps.due() == [waiting]
    attempt(waiting.pk)
    assert fresh(waiting).state == DeliveryState.ACCEPTED


@pytest.mark.parametrize(
    "answer", [REFUSED, TransientError("no route"), AmbiguousError("silence"), ThrottledError("")]
)
def test_another_outcome_leaves_the_channel_stopped_for_longer(
    delivery: Make, answer: DeliveryError
) -> None:
    stop()
    row = delivery()
    probe_is_due()
    memory.failures.append(answer)
    attempt(row.pk)
    stopped = ChannelStop.objects.get()
    assert stopped.probes == 1
    assert stopped.probe_at
    assert stopped.probe_at > timezone.now() + timedelta(seconds=25)
    assert fresh(row).state in (DeliveryState.DUE, DeliveryState.UNKNOWN)


def test_probes_become_rarer_up_to_five_minutes(delivery: Make) -> None:
    stop(probes=50)
    row = delivery()
    probe_is_due()
    assert circuit_breaker.take_probe(Channel(row.channel))
    probe_at = ChannelStop.objects.get().probe_at
    assert probe_at
    wait = probe_at - timezone.now()
    assert timedelta(minutes=4, seconds=55) < wait <= timedelta(minutes=5)


def test_a_stopped_channel_costs_its_backlog_no_attempts(
    delivery: Make,
) -> None:
    rows = [delivery() for _ in range(30)]
    memory.failures.extend([REFUSED] * 6)
    attempt(rows[0].pk)
    while ChannelStop.objects.exists():
        probe_is_due()
        attempt(sweeps.due()[0].pk)
    for row in rows:
        attempt(row.pk)
    assert {fresh(row).state for row in rows} == {DeliveryState.ACCEPTED}
    assert {fresh(row).failures for row in rows} == {0}
    refused = NotificationDeliveryLog.objects.filter(event=LogEvent.TRANSIENT)
    assert refused.count() == 6
    assert len(memory.emails) == 30


def test_a_delivery_that_cannot_ask_the_provider_returns_the_probe(
    delivery: Make, woken: list[Any]
) -> None:
    stop()
    for _ in range(5):
        suppress(Channel.EMAIL, reached(delivery()), SuppressionReason.BOUNCE)
    healthy = delivery()
    probe_is_due()
    for _ in range(6):
        [row] = sweeps.due()
        attempt(row.pk)
    assert fresh(healthy).state == DeliveryState.ACCEPTED
    assert not ChannelStop.objects.exists()
    assert [name for name, _ in woken] == ["apps.core.tasks.dispatch_due_notifications"] * 6


def test_a_delivery_that_cannot_be_composed_returns_the_probe(
    delivery: Make, notify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop()
    gone, broken, lost, healthy = delivery(), delivery(), delivery(Channel.SMS), delivery()
    Notification.objects.filter(deliveries=gone).update(kind="of another release")
    compose = EmailService.compose

    def sometimes(self: Any, row: Delivery, *arguments: Any) -> Any:
        if row.pk == broken.pk:
            raise KeyError("bug")
        return compose(self, row, *arguments)

    monkeypatch.setattr(EmailService, "compose", sometimes)
    probe_is_due()
    for row in (gone, broken):
        assert sweeps.due()[0] == row
        attempt(row.pk)
        assert fresh(row).state == DeliveryState.SENDING
        assert ChannelStop.objects.get().probes == 0
    attempt(healthy.pk)
    assert fresh(healthy).state == DeliveryState.ACCEPTED
    # The same for a text whose worker lost it before its money was reserved.
    stop(Channel.SMS)
    probe_is_due()
    monkeypatch.setattr(sms_budget, "reserve_all", lambda costs: False)
    monkeypatch.setattr(sms_budget, "reserve", lambda row, cost: False)
    attempt(lost.pk)
    assert ChannelStop.objects.get().probes == 0


def test_a_probe_without_a_rate_slot_is_returned(delivery: Make, no_rate_slot: None) -> None:
    stop()
    row = delivery()
    probe_is_due()
    attempt(row.pk)
    assert ChannelStop.objects.get().probes == 0
    assert sweeps.due() == [row]


def test_a_text_held_by_a_long_stop_goes_by_email(delivery: Make, notify: Any, person: Any) -> None:
    stop(Channel.SMS)
    text = delivery(Channel.SMS, Priority.HIGH)
    [told] = notify(person(), priority=Priority.URGENT)
    urgent = told.deliveries.get(channel=Channel.SMS)
    sweeps.due()
    assert stand_in(text) is None
    ChannelStop.objects.update(since=timezone.now() - timedelta(minutes=3))
    found = sweeps.due()
    instead = stand_in(text)
    assert instead in found
    assert instead.channel == Channel.EMAIL
    assert fresh(text).state == DeliveryState.SKIPPED
    assert fresh(text).reason.startswith("text messages are stopped: credentials invalid")
    assert fresh(urgent).state == DeliveryState.DUE, "its e-mail is out already"
    assert ledger().discrepancies == []


def test_a_probe_is_not_handed_over_to_another_channel(delivery: Make) -> None:
    stop(Channel.SMS, since=timezone.now() - timedelta(minutes=3))
    probe_is_due()
    older, newer = (delivery(Channel.SMS, Priority.HIGH) for _ in range(2))
    found = sweeps.due()
    assert older in found
    assert fresh(newer).state == DeliveryState.SKIPPED
    attempt(older.pk)
    assert not ChannelStop.objects.exists()


def test_a_delivery_that_is_not_due_takes_no_probe(delivery: Make) -> None:
    stop()
    probe_is_due()
    assert claim_probe(delivery(state=DeliveryState.ACCEPTED).pk) is None
    assert ChannelStop.objects.get().probes == 0
    assert claim_probe(delivery().pk)


def test_what_is_held_back_for_the_reputation_is_no_probe(
    delivery: Make,
) -> None:
    stop()
    circuit_breaker.hold_back(Channel.EMAIL, "too many bounces")
    probe_is_due()
    row = delivery()
    assert sweeps.due() == []
    assert claim_probe(row.pk) is None
    assert claim_probe(delivery(priority=Priority.URGENT).pk)


def test_a_pause_by_a_person_lets_nothing_through_until_a_person_resumes(delivery: Make) -> None:
    assert circuit_breaker.pause(Channel.EMAIL, "sam", "wrong announcement")
    assert not circuit_breaker.pause(Channel.EMAIL, "tom", "")
    stop()
    probe_is_due()
    row, urgent = delivery(), delivery(priority=Priority.URGENT)
    for each in (row, urgent):
        attempt(each.pk)
        assert claim_probe(each.pk) is None
    assert sweeps.due() == []
    circuit_breaker.resume(Channel.EMAIL, "a delivery was let through")
    assert sweeps.due() == [], "only a person resumes it"
    assert circuit_breaker.resume(Channel.EMAIL, "by sam", cause=StopCause.PERSON)
    assert set(sweeps.due()) == {row, urgent}
    assert {fresh(each).attempts for each in (row, urgent)} == {0}


def test_a_paused_text_is_not_handed_over_to_another_channel(delivery: Make) -> None:
    circuit_breaker.pause(Channel.SMS, "sam", "")
    ChannelStop.objects.update(since=timezone.now() - timedelta(hours=1))
    text = delivery(Channel.SMS, Priority.HIGH)
    assert sweeps.due() == []
    assert fresh(text).state == DeliveryState.DUE
    assert stand_in(text) is None


def test_a_hand_over_leaves_a_claimed_delivery_to_its_worker(delivery: Make) -> None:
    row = delivery(Channel.SMS, Priority.HIGH)
    claimed(row.pk)
    assert stand_ins.hand_over(row, "stopped") is None
    assert fresh(row).state == DeliveryState.SENDING
    assert not row.log.exists()


def test_the_administrator_hears_once_that_texts_are_stopped(
    caplog: pytest.LogCaptureFixture, db: None
) -> None:
    stop(Channel.SMS)
    stop(Channel.EMAIL)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    tasks.send_alerts()
    assert memory.emails == [], "while e-mail is stopped"
    circuit_breaker.resume(Channel.EMAIL, "a delivery was let through")
    tasks.send_alerts()
    tasks.send_alerts()
    (mail,) = memory.emails
    assert mail.subject == "RS Systems: text messages are stopped, and 1 more"
    assert "535 credentials invalid" in mail.body
    assert "E-mails go out again. From" in mail.body


def test_an_alert_that_could_not_be_sent_is_sent_by_the_next_run(db: None) -> None:
    stop(Channel.SMS)
    memory.failures.append(TransientError("busy"))
    tasks.send_alerts()
    assert memory.emails == []
    tasks.send_alerts()
    assert len(memory.emails) == 1


def test_the_ledger_says_which_channel_is_stopped_and_why(db: None) -> None:
    stop()
    why = "the provider refuses everything: credentials invalid for j***@fleet.example"
    assert ledger().stopped == {"email": [why]}
    assert ledger().balances


def test_the_admin_can_make_the_probe_due_at_once(
    admin_client: Any, woken: list[Any], delivery: Make, django_capture_on_commit_callbacks: Any
) -> None:
    stop()
    row = delivery()
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post(
            reverse("admin:core_channelstop_changelist"),
            {"action": "try_now", "_selected_action": [ChannelStop.objects.get().pk]},
            follow=True,
        )
    assert "1 channels will be tried" in answer.content.decode()
    assert [name for name, _ in woken] == ["apps.core.tasks.dispatch_due_notifications"]
    assert sweeps.due() == [row]


def test_view_only_staff_cannot_make_a_probe_due(client: Any, db: None) -> None:
    from django.contrib.auth.models import Permission

    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_channelstop"))
    client.force_login(looker)
    stop()
    before = ChannelStop.objects.get().probe_at
    client.post(
        reverse("admin:core_channelstop_changelist"),
        {"action": "try_now", "_selected_action": [ChannelStop.objects.get().pk]},
    )
    assert ChannelStop.objects.get().probe_at == before
