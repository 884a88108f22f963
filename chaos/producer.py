"""What the application's views would do: commit notifications, one after the other.

Each message carries a mark of its own, the job's number, which its subject or its text shows. By
that mark the messages are counted where they arrive, so that no id of the application is trusted.
"""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from apps.core.delivery import wakeups
from apps.core.message import kinds
from apps.core.models import Contact, Delivery
from apps.core.services.notification import NotificationService
from apps.core.states import Priority

KIND = "repair_approved"
THREADS = 4
#: One in so many is committed late, from a transaction that is held open for so many seconds.
HELD_ONE_IN, HELD_S = 10, 0.3
#: Seconds for which a call is made again whose database connection died.
RETRY_S, RETRY_EVERY_S = 60.0, 0.2

_numbers = count(1)


@dataclass(frozen=True)
class Order:
    """One notification to be made, so many seconds after the first one."""

    mark: str
    person: User
    priority: Priority
    at_s: float
    held: bool
    #: Seconds after its commit for which it is scheduled.
    later_s: float = 0.0


def make_people(number: int) -> list[User]:
    """So many people with addresses that are verified, who agreed to text messages."""
    people = User.objects.bulk_create(
        [User(username=f"person{n}", first_name=f"Person {n}") for n in range(number)]
    )
    Contact.objects.bulk_create([_contact(person, n) for n, person in enumerate(people)])
    return people


def make_orders(
    people: list[User],
    rng: random.Random,
    *,
    number: int,
    over_s: float,
    priorities: tuple[Priority, ...],
    later_s: float,
) -> list[Order]:
    """Orders spread evenly over the seconds; half of them scheduled where `later_s` is given."""
    return [
        Order(
            mark=f"C-{next(_numbers):06d}",
            # Each his own: a bounce of one message keeps the next ones from the same address.
            person=people[position % len(people)],
            priority=rng.choice(priorities),
            at_s=over_s * position / number,
            held=rng.randrange(HELD_ONE_IN) == 0,
            later_s=rng.choice([0.0, rng.uniform(0.0, later_s)]),
        )
        for position in range(number)
    ]


class Producer:
    """Makes the orders in a few threads of its own; `committed` grows as they are committed.

    `twice` wakes a worker once more for each, at once.
    """

    def __init__(self, orders: list[Order], *, twice: bool = False) -> None:
        self.committed: list[Order] = []
        self.retried = 0
        self._orders = iter(orders)
        self._twice = twice
        self._lock = threading.Lock()
        self._started_at = 0.0
        self._failures: list[Exception] = []
        self._threads = [threading.Thread(target=self._work) for _ in range(THREADS)]

    def start(self) -> None:
        self._started_at = time.monotonic()
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the last commit; raises what a thread failed with."""
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    @property
    def working(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        try:
            for order in self._mine():
                time.sleep(max(0.0, self._started_at + order.at_s - time.monotonic()))
                self._commit(order)
        except (OperationalError, InterfaceError) as error:
            self._failures.append(error)
        finally:
            connection.close()

    def _mine(self) -> Iterator[Order]:
        while True:
            with self._lock:
                order = next(self._orders, None)
            if order is None:
                return
            yield order

    def _commit(self, order: Order) -> None:
        """Until it is committed. Where the commit's own answer was lost, the key makes it one."""
        give_up_at = time.monotonic() + RETRY_S
        while True:
            try:
                _notify(order)
            except (OperationalError, InterfaceError):
                connection.close()
                if time.monotonic() > give_up_at:
                    raise
                self.retried += 1
                time.sleep(RETRY_EVERY_S)
            else:
                break
        self.committed.append(order)
        if self._twice:
            found = Delivery.objects.filter(notification__dedup_key=order.mark)
            wakeups.wake(list(found))


def _notify(order: Order) -> None:
    later = timezone.now() + timedelta(seconds=order.later_s)
    with transaction.atomic():
        NotificationService().notify(
            KIND,
            order.person,
            context(order.mark),
            priority=order.priority,
            action_url="/repairs/1/",
            dedup_key=order.mark,
            scheduled_for=later if order.later_s else None,
        )
        if order.held:
            time.sleep(HELD_S)


def context(mark: str) -> dict[str, Any]:
    """What the message says; the mark is the number of its job."""
    sample = kinds.get(KIND).sample.model_dump()
    return sample | {"job": sample["job"] | {"number": mark}}


def _contact(person: User, number: int) -> Contact:
    address, phone = f"{person.username}@fleet.example", f"+1202555{number:04d}"
    return Contact(
        user=person,
        email=address,
        verified_email=address,
        phone=phone,
        verified_phone=phone,
        sms_opt_in=True,
    )
