"""What the harness has this project do. Each action prints one line of JSON last.

Times are of the machine's monotonic clock, which all its processes share.
"""

import cProfile
import pstats
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  they need the settings

from apps.core.models import Contact, Delivery  # noqa: E402
from apps.core.services.notification import NotificationService  # noqa: E402
from apps.core.states import Channel, DeliveryState, Priority  # noqa: E402
from rs_systems.celery import app  # noqa: E402

from .. import actions  # noqa: E402
from ..message import ACTION_PATH, CONTEXT, KIND, address, phone, username  # noqa: E402

TASKS = {
    Channel.EMAIL: "apps.core.tasks.send_notification_email",
    Channel.SMS: "apps.core.tasks.send_notification_sms",
}
#: Begins the names of the people who are told by text message: HIGH takes that channel.
TEXTED = "texted"
#: Lines of a profile.
LINES = 45


def people(count: int, texted: int) -> None:
    """Create people who can be reached by e-mail alone, and others by text message alone."""
    _create_people(
        [username(number) for number in range(count)],
        lambda number: {"email": address(number), "verified_email": address(number)},
    )
    _create_people(
        [f"{TEXTED}{number}" for number in range(texted)],
        lambda number: {
            "phone": phone(number),
            "verified_phone": phone(number),
            "sms_opt_in": True,
        },
    )


def create(count: int, priority: str) -> dict[str, Any]:
    """Notify people one by one; return when the second call began, and how long each took.

    The first call opens connections and compiles templates.
    """
    users = _users(count, priority)
    notify(users[0], priority)
    began = time.monotonic()
    return {"began": began, "seconds": [_timed(user, priority) for user in users[1:]]}


def fan_out(count: int, priority: str) -> dict[str, Any]:
    """Notify one person, then all others by one call; return how long that took."""
    users = _users(count, priority)
    notify(users[0], priority)
    return {"seconds": _timed(users[1:], priority)}


def trickle(first: int, count: int, every_s: float, priority: str) -> dict[str, Any]:
    """Notify one person every so many seconds; return when each call began, by user name."""
    called = {}
    start = time.monotonic()
    for number, user in enumerate(_users(first + count, priority)[first:]):
        time.sleep(max(0.0, start + number * every_s - time.monotonic()))
        called[user.username] = time.monotonic()
        notify(user, priority)
    return {"called": called}


def drain() -> dict[str, Any]:
    """Send all that is due in this process, by the workers' task; return how often it was run.

    Each turn costs one statement of the harness.
    """
    turns = 0
    while (row := Delivery.objects.filter(state=DeliveryState.DUE).first()) is not None:
        app.tasks[TASKS[Channel(row.channel)]].apply(args=(str(row.pk),), throw=True)
        turns += 1
    return {"turns": turns}


def profile(what: str, count: int, priority: str) -> dict[str, Any]:
    """Print where the time of creating, or of sending, goes."""
    users = _users(count + 1, priority)
    notify(users[0], priority)
    drain()
    profiler = cProfile.Profile()
    if what == "delivery":
        notify(users[1:], priority)
        # Threads of the sender are in the table as the time for which this one waits for them.
        profiler.runcall(drain)
    else:
        for user in users[1:]:
            profiler.runcall(notify, user, priority)
    pstats.Stats(profiler).strip_dirs().sort_stats("cumulative").print_stats(LINES)
    return {"messages": count}


def notify(to: Any, priority: str) -> None:
    NotificationService().notify(
        KIND, to, CONTEXT, priority=Priority[priority], action_url=ACTION_PATH
    )


def _timed(to: Any, priority: str) -> float:
    began = time.monotonic()
    notify(to, priority)
    return time.monotonic() - began


def _users(count: int, priority: str) -> list[User]:
    prefix = TEXTED if Priority[priority] == Priority.HIGH else "person"
    return list(User.objects.filter(username__startswith=prefix).order_by("pk")[:count])


def _create_people(names: list[str], contact: Callable[[int], dict[str, Any]]) -> None:
    users = User.objects.bulk_create([User(username=name) for name in names])
    Contact.objects.bulk_create(
        [Contact(user=user, **contact(number)) for number, user in enumerate(users)]
    )


if __name__ == "__main__":
    actions.run(people, create, fan_out, trickle, drain, profile)
