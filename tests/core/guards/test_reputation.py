from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.core import tasks
from apps.core.delivery import broker, sweeps
from apps.core.delivery.attempt import attempt
from apps.core.exceptions import TransientError
from apps.core.guards import reputation
from apps.core.models import ChannelStop, Delivery, ProviderEvent
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, EventCause, EventKind, Priority

Make = Callable[..., Delivery]
Report = Callable[..., None]
_numbers = count(1)


@pytest.fixture(autouse=True)
def broker_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "waiting", lambda: dict.fromkeys(Priority, 0))


@pytest.fixture
def reported(delivery: Make) -> Report:
    """So many reports of each kind, by name, about a delivery of ours."""
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
    tasks.send_alerts()
    subjects = [str(mail.subject) for mail in memory.emails]
    memory.clear()
    return subjects


WARNING = "RS Systems: too much e-mail bounces or is complained about"
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
def test_the_shares_are_judged_by_the_thresholds_of_ses_over_enough_messages(
    reported: Report, counts: dict[str, int], doubtful: bool, bad: bool
) -> None:
    reported(**counts)
    found = reputation.present()
    assert (found.is_doubtful, found.is_bad) == (doubtful, bad)


def test_only_what_bounced_for_good_within_the_window_and_counts_at_ses_is_counted(
    reported: Report,
) -> None:
    reported(sent=100)
    reported(timedelta(hours=25), bounced=50)
    reported(cause=EventCause.OWN_LIST, bounced=50)
    reported(bounced=3)
    ProviderEvent.objects.filter(kind="bounced").last().delete()  # type: ignore[union-attr]
    ProviderEvent.objects.create(
        fingerprint="soft", kind="bounced", provider="ses", occurred_at=timezone.now()
    )
    assert reputation.present() == reputation.Reputation(100, 2, 0)


def test_what_aws_s_own_simulator_makes_of_a_message_is_not_counted(reported: Report) -> None:
    reported(sent=100, bounced=1)
    reported(is_simulated=True, sent=50, bounced=50, complained=9)
    assert reputation.present() == reputation.Reputation(100, 1, 0)


def test_a_bad_reputation_stops_what_is_not_urgent_until_it_is_good_again(
    reported: Report, delivery: Make
) -> None:
    urgent, other = delivery(priority=Priority.URGENT), delivery()
    text = delivery(Channel.SMS, Priority.HIGH)
    reported(sent=100, bounced=10)
    reputation.watch()
    assert {row.pk for row in sweeps.due()} == {urgent.pk, text.pk}
    for row in (urgent, other):
        attempt(row.pk)
    assert len(memory.emails) == 1
    reported(sent=60)
    reputation.watch()
    assert ChannelStop.objects.exists(), "6.25 % is still doubtful"
    reported(sent=100)
    reputation.watch()
    assert not ChannelStop.objects.exists()
    attempt(other.pk)
    assert len(memory.emails) == 2


def test_nothing_is_let_through_to_try_since_that_would_tell_nothing(
    reported: Report, delivery: Make
) -> None:
    row = delivery(priority=Priority.MEDIUM)
    reported(sent=100, bounced=50)
    reputation.watch()
    ChannelStop.objects.update(since=timezone.now() - timedelta(days=1))
    assert sweeps.due() == []
    attempt(row.pk)
    assert memory.emails == []
    assert Delivery.objects.get(pk=row.pk).attempts == 0


def test_the_administrator_is_warned_once_a_day_and_told_once_of_a_stop(reported: Report) -> None:
    reported(sent=100, bounced=6)
    assert told() == [WARNING]
    assert told() == []
    reported(bounced=10)
    assert told() == [STOPPED]
    assert told() == []


def test_a_warning_that_could_not_be_sent_is_sent_by_the_next_turn(reported: Report) -> None:
    reported(sent=100, bounced=6)
    memory.failures.append(TransientError("busy"))
    assert told() == []
    assert told() == [WARNING]


def test_an_alert_says_how_bad_it_is(reported: Report) -> None:
    reported(sent=1000, bounced=100, complained=2)
    tasks.send_alerts()
    (mail,) = memory.emails
    assert (
        "Of 1,000 e-mails 100 bounced for good (10.0%) and 2 were complained about (0.20%)"
        in mail.body.replace("Too much of it is not wanted: of", "Of")
    )


def test_somebody_in_the_office_lets_it_run_and_it_is_counted_anew(
    reported: Report, delivery: Make, admin_client: Any, woken: list[Any]
) -> None:
    row = delivery(priority=Priority.MEDIUM)
    reported(sent=100, bounced=10)
    reputation.watch()
    answer = admin_client.post(
        reverse("admin:core_channelstop_changelist"),
        {"action": "try_now", "_selected_action": [ChannelStop.objects.get().pk]},
        follow=True,
    )
    assert "E-mail is sent again; bounces are counted from now on." in answer.content.decode()
    reputation.watch()
    assert sweeps.due() == [row]
    reported(sent=100, bounced=10)
    reputation.watch()
    assert sweeps.due() == []
