from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.core import tasks
from apps.core.delivery import broker, sweeps
from apps.core.exceptions import TransientError
from apps.core.guards import reputation
from apps.core.models import ChannelStop, Delivery, ProviderEvent
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, EventCause, EventKind, Priority
from tests.support.attempts import attempt

Make = Callable[..., Delivery]
Events = Callable[..., None]
_numbers = count(1)


@pytest.fixture(autouse=True)
def broker_is_empty(monkeypatch: pytest.MonkeyPatch, quiet_alarms: None) -> None:
    monkeypatch.setattr(broker, "waiting", lambda: dict.fromkeys(Priority, 0))


@pytest.fixture
def events(delivery: Make) -> Events:
    """Apply so many events of each kind, by name, of a delivery of ours."""
    row = delivery(state=DeliveryState.DELIVERED)

    def call(
        age: timedelta = timedelta(),
        *,
        cause: EventCause = EventCause.ADDRESS,
        is_simulated: bool = False,
        **counts: int,
    ) -> None:
        kinds = [EventKind(name) for name, number in counts.items() for _ in range(number)]
        events = ProviderEvent.objects.bulk_create(
            ProviderEvent(
                fingerprint=str(next(_numbers)),
                kind=kind,
                cause=cause if kind == EventKind.BOUNCED else EventCause.NONE,
                is_simulated=is_simulated,
                provider="ses",
                delivery=row,
                occurred_at=timezone.now(),
            )
            for kind in kinds
        )
        ProviderEvent.objects.filter(pk__in=[event.pk for event in events]).update(
            received_at=timezone.now() - age
        )

    return call


def told() -> list[str]:
    tasks.watch_reputation()
    tasks.send_alerts()
    subjects = [str(mail.subject) for mail in memory.emails]
    memory.clear()
    return subjects


WARNING = "RS Systems: too much e-mail bounces"
STOPPED = "RS Systems: e-mail that is not urgent is stopped"


@pytest.mark.parametrize(
    ("counts", "doubtful", "bad"),
    [
        ({"sent": 1000, "bounced": 49}, False, False),
        ({"sent": 1000, "bounced": 50}, True, False),
        ({"sent": 1000, "bounced": 100}, True, True),
        ({"sent": 2000, "complained": 1}, False, False),
        ({"sent": 1000, "complained": 1}, False, False),
        ({"sent": 150, "complained": 1}, False, False),
        ({"sent": 1000, "complained": 2}, True, False),
        ({"sent": 300, "complained": 4}, True, False),
        ({"sent": 1000, "complained": 5}, True, True),
        ({"sent": 99, "bounced": 99}, False, False),
        ({"delivered": 90, "bounced": 10}, True, True),
        ({}, False, False),
    ],
)
def test_ses_s_thresholds_judge_the_shares_of_enough_messages(
    events: Events, counts: dict[str, int], doubtful: bool, bad: bool
) -> None:
    events(**counts)
    found = reputation.measure()
    assert (found.is_doubtful, found.is_bad) == (doubtful, bad)


def test_only_lasting_bounces_that_ses_counts_are_counted(
    events: Events,
) -> None:
    events(sent=100)
    events(timedelta(hours=25), bounced=50)
    events(cause=EventCause.OWN_LIST, bounced=50)
    events(bounced=3)
    ProviderEvent.objects.filter(kind="bounced").last().delete()  # type: ignore[union-attr]
    ProviderEvent.objects.create(
        fingerprint="soft", kind="bounced", provider="ses", occurred_at=timezone.now()
    )
    assert reputation.measure() == reputation.Reputation(100, 2, 0)


def test_events_of_aws_s_simulator_are_not_counted(events: Events) -> None:
    events(sent=100, bounced=1)
    events(is_simulated=True, sent=50, bounced=50, complained=9)
    assert reputation.measure() == reputation.Reputation(100, 1, 0)


def test_a_bad_reputation_stops_non_urgent_e_mail_until_it_is_good(
    events: Events, delivery: Make
) -> None:
    urgent, other = delivery(priority=Priority.URGENT), delivery()
    text = delivery(Channel.SMS, Priority.HIGH)
    events(sent=100, bounced=10)
    reputation.watch()
    assert {row.pk for row in sweeps.due()} == {urgent.pk, text.pk}
    for row in (urgent, other):
        attempt(row.pk)
    assert len(memory.emails) == 1
    events(sent=60)
    reputation.watch()
    assert ChannelStop.objects.exists(), "6.25 % is still doubtful"
    events(sent=100)
    reputation.watch()
    assert not ChannelStop.objects.exists()
    attempt(other.pk)
    assert len(memory.emails) == 2


def test_a_reputation_stop_has_no_probe(events: Events, delivery: Make) -> None:
    row = delivery(priority=Priority.MEDIUM)
    events(sent=100, bounced=50)
    reputation.watch()
    ChannelStop.objects.update(since=timezone.now() - timedelta(days=1))
    assert sweeps.due() == []
    attempt(row.pk)
    assert memory.emails == []
    assert Delivery.objects.get(pk=row.pk).attempts == 0


def test_the_administrator_is_warned_once_and_told_once_of_a_stop(events: Events) -> None:
    events(sent=100, bounced=6)
    assert told() == [WARNING]
    assert told() == []
    events(bounced=10)
    assert told() == [STOPPED]
    assert told() == []
    events(sent=1000)
    assert told() == ["RS Systems: over: too much e-mail bounces, and 1 more"]
    assert told() == []


def test_the_next_run_sends_a_warning_that_failed(events: Events) -> None:
    events(sent=100, bounced=6)
    memory.failures.append(TransientError("busy"))
    assert told() == []
    assert told() == [WARNING]


def test_an_alert_says_how_bad_it_is(events: Events) -> None:
    events(sent=1000, bounced=100, complained=2)
    tasks.watch_reputation()
    tasks.send_alerts()
    (mail,) = memory.emails
    assert (
        "Of 1,000 e-mails 100 bounced for good (10.0%) and 2 were complained about (0.20%)"
        in mail.body.replace("too much of it is unwanted: of", "Of")
    )


def test_a_resume_by_the_office_counts_from_zero(
    events: Events, delivery: Make, admin_client: Any, woken: list[Any]
) -> None:
    row = delivery(priority=Priority.MEDIUM)
    events(sent=100, bounced=10)
    reputation.watch()
    answer = admin_client.post(
        reverse("admin:core_channelstop_changelist"),
        {"action": "try_now", "_selected_action": [ChannelStop.objects.get().pk]},
        follow=True,
    )
    assert "E-mail is sent again; bounces are counted from now on." in answer.content.decode()
    reputation.watch()
    assert sweeps.due() == [row]
    events(sent=100, bounced=10)
    reputation.watch()
    assert sweeps.due() == []
