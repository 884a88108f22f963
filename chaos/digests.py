"""Make daily digests with two beats while workers are killed: each item must leave once."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaos.run import Run

PEOPLE, ITEMS = 60, 4
KILLS = 4
#: Seconds within which all digests must have arrived.
ARRIVED_WITHIN_S = 150.0
_NUMBER = re.compile(r"\bD-\d{6}\b")


def make_with_two_beats(run: Run) -> None:
    """Hold items for people who want them once a day, and let their hour come under kills."""
    from chaos import faults

    numbers = _hold_items()
    run.extras["items"] = len(numbers)
    beat = run.rig.add_beat(f"beat{len(run.rig.services)}")
    beat.start()
    run.at_the_end(lambda: beat.kill(stay_down=True))
    run.rig.wait_for(beat)
    _let_their_hour_come()
    for _ in range(KILLS):
        run.wait(1)
        run.kill(run.rng.choice(run.rig.workers))
    faults.none(run)


def check(run: Run) -> None:
    """Check that each item arrived in one message, and each person got one digest."""
    everything = _numbers()

    def has_arrived() -> bool:
        return not everything - set(_count(run))

    took = run.seconds_until(has_arrived, ARRIVED_WITHIN_S)
    counts = _count(run)
    mails = Counter(mail["to"][0] for mail in _mails(run))
    run.note(
        {"digests": sum(mails.values()), "digests_s": took and round(took, 1)},
        [*find_problems(everything, counts), *_find_second(mails)],
    )


def find_problems(everything: set[str], counts: Counter[str]) -> list[str]:
    """Return a problem if an item is missing, or in two messages."""
    lost = everything - set(counts)
    twice = [number for number, count in counts.items() if count > 1]
    return [f"{len(lost)} items of digests lost"] * bool(lost) + [
        f"{len(twice)} items in two messages"
    ] * bool(twice)


def _find_second(mails: Counter[str]) -> list[str]:
    second = sum(count > 1 for count in mails.values())
    return [f"{second} people got two digests"] * bool(second)


def item(number: str) -> dict[str, Any]:
    """Return an item's context. Its line in the digest is its title, which names the unit."""
    from chaos.producer import context

    found = context(number)
    return found | {"job": found["job"] | {"unit": number}}


def _hold_items() -> set[str]:
    # These imports need the settings.
    from django.contrib.auth.models import User

    from apps.core.models import Choice
    from apps.core.models.preferences import ChoiceVia, Setting
    from apps.core.services.notification import NotificationService
    from apps.core.states import Channel, Priority
    from chaos.producer import KIND

    # The last ones, whom the load leaves alone.
    people = list(User.objects.order_by("-pk")[:PEOPLE])
    Choice.objects.bulk_create(
        Choice(user=each, channel=Channel.EMAIL, setting=Setting.DAILY, via=ChoiceVia.PAGE)
        for each in people
    )
    for position in range(ITEMS):
        for number, person in enumerate(people):
            job_number = f"D-{position * PEOPLE + number:06d}"
            NotificationService().notify(
                KIND,
                person,
                item(job_number),
                priority=Priority.MEDIUM,
                action_url="/repairs/1/",
                dedup_key=job_number,
            )
    return _numbers()


def _numbers() -> set[str]:
    return {f"D-{number:06d}" for number in range(PEOPLE * ITEMS)}


def _let_their_hour_come() -> None:
    from django.utils import timezone

    from apps.core.models import Delivery

    Delivery.objects.held().update(release_at=timezone.now() + timedelta(seconds=1))


def _mails(run: Run) -> list[dict[str, Any]]:
    mails = run.rig.sandbox.messages(kind="email")
    return [mail for mail in mails if _NUMBER.search(mail["text"])]


def _count(run: Run) -> Counter[str]:
    """Return in how many messages each item is."""
    return Counter(number for mail in _mails(run) for number in set(_NUMBER.findall(mail["text"])))
