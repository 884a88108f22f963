"""Commit notifications as the application's views do.

Each message shows a job number of its own in its subject or text. Messages are counted by it where
they arrive.
"""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from celery import current_app
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from apps.core.delivery import wakeups
from apps.core.message import kinds
from apps.core.models import Contact, Delivery
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, Priority

KIND = "repair_approved"
THREADS = 4
#: One in so many transactions is held open, for so many seconds.
HELD_ONE_IN, HELD_S = 10, 0.3
#: Seconds during which a call is repeated if its database connection died.
RETRY_S, RETRY_EVERY_S = 60.0, 0.2

_numbers = count(1)


@dataclass(frozen=True)
class PlannedNotification:
    """One notification to commit, `at_s` seconds after the first one."""

    job_number: str
    person: User
    priority: Priority
    at_s: float
    #: Whether its transaction is held open for HELD_S.
    held: bool
    #: Seconds after its commit for which it is scheduled.
    later_s: float = 0.0


def make_people(count: int) -> list[User]:
    """Create people with verified addresses who agreed to text messages."""
    people = User.objects.bulk_create(
        [User(username=f"person{n}", first_name=f"Person {n}") for n in range(count)]
    )
    Contact.objects.bulk_create([_contact(person, n) for n, person in enumerate(people)])
    return people


def plan_notifications(
    people: list[User],
    rng: random.Random,
    *,
    count: int,
    over_s: float,
    priorities: tuple[Priority, ...],
    later_s: float,
) -> list[PlannedNotification]:
    """Spread notifications evenly over the seconds; half are scheduled if `later_s` is not 0."""
    return [
        PlannedNotification(
            job_number=f"C-{next(_numbers):06d}",
            # One person each: a bounce would suppress later messages to the same address.
            person=people[position % len(people)],
            priority=rng.choice(priorities),
            at_s=over_s * position / count,
            held=rng.randrange(HELD_ONE_IN) == 0,
            later_s=rng.choice([0.0, rng.uniform(0.0, later_s)]),
        )
        for position in range(count)
    ]


class Producer:
    """Commits the planned notifications from several threads; `committed` grows meanwhile.

    With `wake_twice` it also wakes a worker for each delivery, however many are awake.
    """

    def __init__(self, planned: list[PlannedNotification], *, wake_twice: bool = False) -> None:
        self.committed: list[PlannedNotification] = []
        self._planned = iter(planned)
        self._wake_twice = wake_twice
        self._lock = threading.Lock()
        self._started_at = 0.0
        self._failures: list[Exception] = []
        self._threads = [threading.Thread(target=self._work) for _ in range(THREADS)]

    def start(self) -> None:
        self._started_at = time.monotonic()
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the last commit; raise the error of a thread that failed."""
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _work(self) -> None:
        try:
            for each in self._take():
                time.sleep(max(0.0, self._started_at + each.at_s - time.monotonic()))
                self._commit(each)
        except (OperationalError, InterfaceError) as error:
            self._failures.append(error)
        finally:
            connection.close()

    def _take(self) -> Iterator[PlannedNotification]:
        """Yield notifications that no other thread has taken."""
        while True:
            with self._lock:
                each = next(self._planned, None)
            if each is None:
                return
            yield each

    def _commit(self, planned: PlannedNotification) -> None:
        """Repeat until committed. The dedup key makes it one if only the answer was lost."""
        give_up_at = time.monotonic() + RETRY_S
        while True:
            try:
                _notify(planned)
            except (OperationalError, InterfaceError):
                connection.close()
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(RETRY_EVERY_S)
            else:
                break
        self.committed.append(planned)
        if self._wake_twice:
            for row in Delivery.objects.filter(notification__dedup_key=planned.job_number):
                task = current_app.tasks[wakeups.SEND_TASKS[Channel(row.channel)]]
                task.apply_async(args=(str(row.pk),), priority=row.priority)


def _notify(planned: PlannedNotification) -> None:
    later = timezone.now() + timedelta(seconds=planned.later_s)
    with transaction.atomic():
        NotificationService().notify(
            KIND,
            planned.person,
            context(planned.job_number),
            priority=planned.priority,
            action_url="/repairs/1/",
            dedup_key=planned.job_number,
            scheduled_for=later if planned.later_s else None,
        )
        if planned.held:
            time.sleep(HELD_S)


def context(job_number: str) -> dict[str, Any]:
    """Return the kind's sample context with this job number."""
    sample = kinds.get(KIND).sample.model_dump()
    return sample | {"job": sample["job"] | {"number": job_number}}


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
