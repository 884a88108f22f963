"""Compute when a delivery is tried again. Pure functions."""

import random
from datetime import datetime, timedelta

from apps.core.exceptions import DeliveryError, ThrottledError

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=30)
THROTTLED_DELAY = timedelta(seconds=2)
#: Up to this delay a delivery stays due for the 15-second sweep; a longer one is "retrying".
QUICK = timedelta(minutes=5)


def next_attempt_at(
    attempt: int,
    error: DeliveryError | None,
    now: datetime,
    *,
    give_up_at: datetime,
    jitter: random.Random | None = None,
) -> datetime | None:
    """Return the time of the attempt after number `attempt`, or None if that is too late.

    Exponential back-off with full jitter
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), from a first
    ceiling that depends on the error; `error` is None for a worker that died before its call.
    """
    first = THROTTLED_DELAY if isinstance(error, ThrottledError) else FIRST_DELAY
    # The exponent is bounded because a timedelta is.
    ceiling = min(LONGEST_DELAY, first * 2 ** min(attempt - 1, 20))
    delay = ceiling * (jitter or random).random()
    return now + delay if now + delay < give_up_at else None
