from collections.abc import Callable
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars

from apps.core.delivery import broker, places, wakeups
from apps.core.delivery.places import Place, Pool
from apps.core.models import Delivery
from apps.core.states import Channel, DeliveryState, Priority
from tests.support.services import Redis

Make = Callable[..., Delivery]
EMAILS = Pool(Channel.EMAIL, is_urgent=False)


@pytest.fixture(autouse=True)
def a_broker_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "_broker_rests_until", 0.0)


def test_many_deliveries_wake_one_process_for_each_pool(delivery: Make) -> None:
    """For the first of each, which is a hint only."""
    wakeups.wake(delivery(channel, priority) for channel in Channel for priority in Priority)
    waiting = broker.waiting()
    assert {priority: count for priority, count in waiting.items() if count} == {
        Priority.URGENT: 2,
        Priority.MEDIUM: 2,
    }


def test_a_delivery_wakes_no_process_while_one_is_on_its_way(delivery: Make) -> None:
    for _ in range(3):
        wakeups.wake([delivery()])
    assert sum(broker.waiting().values()) == 1


def test_a_delivery_wakes_no_process_while_one_is_awake(delivery: Make) -> None:
    place = Place(EMAILS, "")
    assert place.hold()
    wakeups.wake([delivery()])
    assert sum(broker.waiting().values()) == 0
    assert not place.release_if_done()


def test_a_wake_up_names_its_delivery_and_expires(delivery: Make, woken: list[Any]) -> None:
    row = delivery(Channel.SMS, Priority.HIGH)
    wakeups.wake([row])
    options = {"args": (str(row.pk),), "priority": Priority.MEDIUM, "expires": wakeups.EXPIRES_S}
    assert woken == [("apps.core.tasks.send_notification_sms", options)]


def test_a_wake_up_carries_the_id_of_its_request(delivery: Make, woken: list[Any]) -> None:
    with bound_contextvars(request_id="0f8fad5b"):
        wakeups.wake([delivery()])
    [(_, options)] = woken
    assert options["headers"] == {"request_id": "0f8fad5b"}


def test_another_process_is_woken_up_to_the_pool_s_size(
    delivery: Make, woken: list[Any], settings: Any
) -> None:
    settings.EMAIL_RATE_LIMIT = 3 * places.RATE_PER_PLACE
    assert Place(EMAILS, "").hold()
    for _ in range(5):
        wakeups.wake_another(EMAILS, delivery())
    assert len(woken) == 2


def test_nothing_to_send_asks_neither_redis_nor_broker(
    woken: list[Any], redis_server: Redis
) -> None:
    redis_server.stop()
    wakeups.wake([])
    assert wakeups._broker_rests_until == 0.0
    assert woken == []


def test_without_redis_a_delivery_stays_due_and_nothing_is_raised(
    delivery: Make, redis_server: Redis
) -> None:
    row = delivery()
    redis_server.stop()
    wakeups.wake([row])
    wakeups.wake_another(EMAILS, row)
    wakeups.wake_dispatch()
    row.refresh_from_db()
    assert row.state == DeliveryState.DUE
