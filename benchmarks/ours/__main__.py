"""What the harness has this project do. Each action prints one line of JSON last.

Times are of the machine's monotonic clock, which all its processes share.
"""

import cProfile
import pstats
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  they need the settings

from apps.core.channels.email import EmailService  # noqa: E402
from apps.core.message import wording  # noqa: E402
from apps.core.message.parts import Part  # noqa: E402
from apps.core.models import Contact, Delivery, WordingVersion  # noqa: E402
from apps.core.models.wording import WordingState  # noqa: E402
from apps.core.services.notification import NotificationService  # noqa: E402
from apps.core.states import Channel, DeliveryState, Priority  # noqa: E402
from rs_systems.celery import app  # noqa: E402

from .. import actions  # noqa: E402
from ..message import ACTION_PATH, CONTEXT, KIND, WARM_UP, address, phone, username  # noqa: E402

TASKS = {
    Channel.EMAIL: "apps.core.tasks.send_notification_email",
    Channel.SMS: "apps.core.tasks.send_notification_sms",
}
#: Begins the names of the people who are told by text message: HIGH takes that channel.
TEXTED = "texted"
#: E-mails that are composed in one round of `compose`.
COMPOSED = 200
#: Functions of ours in a profile.
LINES = 25
#: Seconds for which this process sends at most.
PATIENCE_S = 600.0


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
    """Notify a few people by one call, then all others; return how long the second call took."""
    users = _users(count, priority)
    notify(users[:WARM_UP], priority)
    return {"seconds": _timed(users[WARM_UP:], priority) if users[WARM_UP:] else 0.0}


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

    Each turn costs one statement of the harness. Raise TimeoutError if something stays due.
    """
    turns, deadline = 0, time.monotonic() + PATIENCE_S
    while (row := Delivery.objects.filter(state=DeliveryState.DUE).first()) is not None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"delivery {row.pk} is still due after {PATIENCE_S:g} s")
        app.tasks[TASKS[Channel(row.channel)]].apply(args=(str(row.pk),), throw=True)
        turns += 1
    return {"turns": turns}


def compose(rounds: int) -> dict[str, Any]:
    """Compose an e-mail in a file's words and one in published words, in turn.

    Return the least milliseconds of each in any round.
    """
    [user] = _users(1, "MEDIUM")
    by_words = {"file": _delivery_to(user)}
    _publish_a_change()
    by_words["published"] = _delivery_to(user)
    service = EmailService()
    least = dict.fromkeys(by_words, float("inf"))
    for _ in range(rounds):
        for name, delivery in by_words.items():
            began = time.process_time()
            for _ in range(COMPOSED):
                service.compose(delivery, None)
            took = time.process_time() - began
            least[name] = min(least[name], took / COMPOSED * 1000)
    return least


def profile(what: str, count: int, priority: str) -> dict[str, Any]:
    """Print where the time of creating, or of sending, goes; return milliseconds per message.

    `wall_ms` and `cpu_ms` are measured without the profiler, which slows Python down.
    """
    first, *users = _users(1 + 2 * count, priority)
    notify(first, priority)
    drain()

    def work(people: list[User]) -> None:
        if what == "delivery":
            drain()
        else:
            for user in people:
                notify(user, priority)

    plain, profiled = users[:count], users[count:]
    if what == "delivery":
        notify(plain, priority)
    wall, cpu = time.monotonic(), time.process_time()
    work(plain)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    if what == "delivery":
        notify(profiled, priority)
    profiler = cProfile.Profile()
    # Other threads are in the table as the time for which this one waits for them.
    profiler.runcall(work, profiled)
    stats = pstats.Stats(profiler)
    stats.sort_stats("cumulative").print_stats("/apps/", LINES)
    return {
        "wall_ms": round(wall / count * 1000, 2),
        "cpu_ms": round(cpu / count * 1000, 2),
        "share_by_package": _by_package(stats),
    }


def notify(to: Any, priority: str) -> None:
    NotificationService().notify(
        KIND, to, CONTEXT, priority=Priority[priority], action_url=ACTION_PATH
    )


def _by_package(stats: Any) -> dict[str, float]:
    """Return the share of the time that is spent in each package itself, the largest first."""
    spent: Counter[str] = Counter()
    for (file, _, function), (_, _, own_s, *_) in stats.stats.items():
        spent[_package(file, function)] += own_s
    return {name: round(own_s / spent.total(), 3) for name, own_s in spent.most_common(12)}


def _package(file: str, function: str) -> str:
    if found := re.search(r"site-packages/(django/\w+|\w+)|/(apps/\w+)", file):
        return found[1] or found[2]
    return "sockets" if "socket" in function else "Python"


def _delivery_to(user: User) -> Delivery:
    notify(user, "MEDIUM")
    rows = Delivery.objects.select_related("notification__recipient__contact")
    return rows.latest("created_at")


def _publish_a_change() -> None:
    """Publish words of the kind that differ from the file's in one part."""
    changes = {Part.SENTENCE: "<p>{{ approved_by }} approved it. <b>{{ note }}</b></p>"}
    words = wording.Wording.of(KIND, "en", 1, {**wording.of_file(KIND, "en").parts, **changes})
    WordingVersion.objects.create(
        kind=KIND,
        language="en",
        number=1,
        state=WordingState.PUBLISHED,
        overrides=changes,
        parts=words.parts,
        digest=words.digest,
    )
    wording.forget()


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
    actions.run(people, create, fan_out, trickle, drain, compose, profile)
