"""Which alarms a fault must cause, and faults made for alarms.

An alarm must ring once, and its start and end be told once by each way, as the sandbox saw it. No
other alarm may ring.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.run import Run

#: The phone on call, in the scenario that has one.
PHONE = "+12025550177"
#: Seconds that a channel is out: several evaluations, and a probe that is refused.
OUTAGE_S = 20.0


@dataclass(frozen=True)
class Alarms:
    """The alarms that a fault must cause."""

    #: They end when the fault does.
    over: tuple[str, ...] = ()
    #: They ring on at the scenario's end.
    ringing: tuple[str, ...] = ()
    #: They may ring on, or stay silent: what they measure is near their limit.
    perhaps: tuple[str, ...] = ()
    #: Their start need not be mailed: while they ring no e-mail can be sent.
    unmailed: tuple[str, ...] = ()
    #: Whether PHONE is told too.
    by_text: bool = False


@dataclass(frozen=True)
class Told:
    """How often an alarm rang, and how often its start and its end were told."""

    rang: int
    starts: int
    ends: int


def refuse_texts(run: Run) -> None:
    """Refuse every text until the alarm has rung for a while."""
    _stop(run, "sms")


def refuse_emails(run: Run) -> None:
    """Refuse every e-mail until the alarm has rung for a while."""
    _stop(run, "email")


def _stop(run: Run, channel: str) -> None:
    run.wait(2)
    run.rig.sandbox.rule(channel=channel, answer="paused")
    run.until(lambda: _has_rung(f"{channel}-stopped"), "the alarm rings")
    run.wait(OUTAGE_S)
    run.end_rules()


def take_workers_away(run: Run) -> None:
    """Kill the workers that send, until the alarms about it have rung."""
    run.wait(2)
    workers = run.rig.workers
    run.kill(*workers, stay_down=True)
    # Both wait for minutes: a restart must not ring.
    both = ("urgent-waits", "worker-offline")
    run.until(lambda: all(map(_has_rung, both)), "both alarms ring", 240.0)
    for worker in workers:
        worker.start()


def check(run: Run, expected: Alarms) -> None:
    """Wait until the alarms have been told, and compare them with what is expected."""
    from apps.core.models import Alarm  # needs the settings

    run.seconds_until(lambda: is_told(expected), 90.0)
    names = [name for name in Alarm.objects.values_list("name", flat=True) if _has_rung(name)]
    by_mail = count_mailed(set(names), _mails(run))
    problems = find_problems(expected, by_mail)
    run.note({"alarms": {name: vars(told) for name, told in by_mail.items()}}, problems)
    if expected.by_text:
        texts = [each["body"] for each in run.rig.sandbox.messages(kind="sms", to=PHONE)]
        run.note({}, find_text_problems(expected, texts))


def is_told(expected: Alarms) -> bool:
    """Return whether these alarms have been told by each way. Texts leave after e-mails."""
    from apps.core.models import Alarm  # needs the settings

    rows = {row.name: row for row in Alarm.objects.all()}
    ways = ("mailed", "texted") if expected.by_text else ("mailed",)
    moments = dict.fromkeys(expected.over, "end") | dict.fromkeys(expected.ringing, "start")
    return all(
        name in rows and getattr(rows[name], f"{moment}_{way}_at")
        for name, moment in moments.items()
        for way in ways
    )


def count_mailed(names: Iterable[str], mails: Sequence[str]) -> dict[str, Told]:
    """Return how often each alarm rang, and how many of these e-mails told of it."""
    from apps.core.audit.alarms.rules import BY_NAME  # needs the settings
    from apps.core.models import Alarm

    rows = Alarm.objects.exclude(started_at=None)
    return {
        name: Told(
            rows.filter(name=name).count(),
            _count(rf"operations\.md#{name}(?![\w-])", mails),
            _count(rf"{re.escape(BY_NAME[name].over)} From ", mails),
        )
        for name in sorted(names)
    }


def find_problems(expected: Alarms, told: dict[str, Told]) -> list[str]:
    """Return what is wrong with what rang and was told by e-mail."""
    silent = Told(0, 0, 0)
    right = {name: {Told(1, 1, 1)} for name in expected.over}
    right |= {name: {Told(1, 1, 0)} for name in expected.ringing}
    right |= {name: {Told(1, 1, 0), silent} for name in expected.perhaps}
    for name in expected.unmailed:
        right[name] |= {Told(1, 0, 1)}
    return [
        f"alarm {name}: {told.get(name, silent)}"
        for name in sorted(right.keys() | told.keys())
        if told.get(name, silent) not in right.get(name, ())
    ]


def find_text_problems(expected: Alarms, texts: Sequence[str]) -> list[str]:
    """Return what is wrong with the texts to the phone on call."""
    from apps.core.audit.alarms.rules import BY_NAME  # needs the settings

    problems = []
    for name in expected.over:
        title = re.escape(BY_NAME[name].title)
        starts, ends = _count(f"(?<!over: ){title}", texts), _count(f"over: {title}", texts)
        if (starts, ends) != (1, 1):
            problems.append(f"alarm {name}: {starts} starts and {ends} ends were texted")
    return problems


def _count(pattern: str, messages: Iterable[str]) -> int:
    return sum(bool(re.search(pattern, message)) for message in messages)


def _has_rung(name: str) -> bool:
    from apps.core.models import Alarm  # needs the settings

    return Alarm.objects.filter(name=name, started_at__isnull=False).exists()


def _mails(run: Run) -> list[str]:
    """Return the plain text of each e-mail to the administrator."""
    from django.conf import settings  # needs the settings

    sandbox = run.rig.sandbox
    found = sandbox.messages(kind="email", to=settings.ADMIN_EMAIL)
    return [sandbox.message(each["id"])["text"] for each in found]
