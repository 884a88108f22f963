import random
from datetime import UTC, datetime, timedelta

import pytest

from apps.core.delivery import retry
from apps.core.exceptions import DeliveryError, ThrottledError, TransientError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)


class Latest(random.Random):
    """Jitter that always takes the whole of the delay."""

    def random(self) -> float:
        return 1.0


def delay(attempt: int, error: DeliveryError | None) -> timedelta:
    at = retry.next_attempt_at(attempt, error, NOW, give_up_at=LATER, jitter=Latest())
    assert at is not None
    return at - NOW


@pytest.mark.parametrize(
    ("attempt", "error", "seconds"),
    [
        (1, TransientError("busy"), 5),
        (2, TransientError("busy"), 10),
        (5, TransientError("busy"), 80),
        (12, TransientError("busy"), 1800),
        (10_000, TransientError("busy"), 1800),
        (1, None, 5),
        (1, ThrottledError("slow down"), 2),
        (3, ThrottledError("slow down"), 8),
    ],
)
def test_the_ceiling_doubles_from_the_first_delay_up_to_half_an_hour(
    attempt: int, error: DeliveryError | None, seconds: int
) -> None:
    assert delay(attempt, error) == timedelta(seconds=seconds)


def test_the_delay_is_spread_over_the_whole_of_its_ceiling() -> None:
    jitter = random.Random(7)
    times = [
        retry.next_attempt_at(4, TransientError(""), NOW, give_up_at=LATER, jitter=jitter)
        for _ in range(500)
    ]
    delays = sorted((at - NOW).total_seconds() for at in times if at)
    assert len(delays) == 500
    assert delays[0] < 4 < 36 < delays[-1] <= 40


def test_an_attempt_that_would_come_after_the_horizon_is_not_made() -> None:
    give_up_at = NOW + timedelta(seconds=5)
    assert (
        retry.next_attempt_at(1, TransientError(""), NOW, give_up_at=give_up_at, jitter=Latest())
        is None
    )
