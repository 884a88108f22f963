"""Publish events that cannot be read among good ones, by the webhook and by the queue.

Each e-mail has one good event. The first ones have a broken event before it, or a readable one that
is hard to read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from chaos.run import Run

#: Seconds within which all good events must be applied.
APPLIED_WITHIN_S = 30.0
#: Good events after each broken one, so that each batch of the queue has one.
GOOD_PER_POISON = 9
DEPTH = 20_000

Mail = dict[str, Any]


class _Event(NamedTuple):
    name: str
    text: str
    certificate: str = "good"


def publish(run: Run) -> None:
    """Send half of the e-mails' events by the webhook and half by the queue."""
    run.until_committed()
    run.until(run.is_drained, "all e-mails have arrived")
    mails = run.rig.sandbox.messages(kind="email")
    source = run.rig.event_source
    for event in _events("webhook", mails[::2]):
        source.post(*event)
    for event in _events("queue", mails[1::2]):
        source.enqueue(*event)


def check(run: Run) -> None:
    """Check that good events were applied in time, and that no event is stuck."""
    from chaos.arrivals import job_number_of  # needs the settings
    from chaos.final_states import find_wrong_states

    mails = run.rig.sandbox.messages(kind="email")
    told: dict[str, str | None] = {job_number_of(mail): "delivered" for mail in mails}
    told |= {job_number_of(mail): "bounced" for mail in (*mails[::2][:2], *mails[1::2][:2])}

    def is_applied() -> bool:
        return not find_wrong_states(told, run.planned)

    took = run.seconds_until(is_applied, APPLIED_WITHIN_S)
    run.note({"applied_s": took and round(took, 1)}, find_wrong_states(told, run.planned))
    run.note(*_check_webhook(run))
    run.note(*_check_queue(run))


def _check_webhook(run: Run) -> tuple[dict[str, Any], list[str]]:
    statuses = run.rig.event_source.statuses
    wrong = [f"{name} {status}" for name, status in statuses.items() if _is_wrong(name, status)]
    problems = [f"wrong answers of the webhook: {', '.join(wrong)}"] if wrong else []
    return {"posted": len(statuses)}, problems


def _is_wrong(name: str, status: int) -> bool:
    if _is_good(name):
        return status >= 300
    # 503 asks SNS to repeat, which is right if the certificate may be whole the next time.
    return status >= 500 and not (status == 503 and "certificate" in name)


def _check_queue(run: Run) -> tuple[dict[str, Any], list[str]]:
    source = run.rig.event_source
    while not source.unread() and source.undeleted():
        source.end_visibility_timeouts()
        run.seconds_until(lambda: not source.unread(), APPLIED_WITHIN_S)
    lost = [name for name in source.dead_letters if _is_good(name)]
    problems = []
    if unread := source.unread():
        problems.append(f"{len(unread)} events are stuck in the queue")
    if lost:
        problems.append(f"{len(lost)} good events became dead letters: {', '.join(lost[:5])}")
    return {"dead_letters": [name for name in source.dead_letters if not _is_good(name)]}, problems


def _is_good(name: str) -> bool:
    return "poison" not in name


def _events(via: str, mails: list[Mail]) -> Iterator[_Event]:
    """Yield the events about these e-mails; names say which ones cannot be read."""
    hard = [
        _Event(f"{via} {name}", make(mail))
        for (name, make), mail in zip(_HARD, mails, strict=False)
    ]
    rest = mails[len(hard) :]
    poison = [
        _Event(f"{via} poison {name}", make(mail), certificate)
        for (name, make, certificate), mail in zip(_POISON, rest, strict=False)
    ]
    yield from hard
    for position, mail in enumerate(rest):
        if position % GOOD_PER_POISON == 0 and poison:
            yield poison.pop(0)
        yield _Event(f"{via} good {position}", _delivery(mail))
    yield from poison


def _delivery(mail: Mail, **changes: Any) -> str:
    return _event("Delivery", mail, {"timestamp": _NOON, "smtpResponse": "250 ok", **changes})


def _bounce(mail: Mail, recipients: list[dict[str, str]] | None) -> str:
    detail = {
        "feedbackId": None,
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": recipients,
        "timestamp": _NOON,
        "reportingMTA": None,
    }
    return _event("Bounce", mail, detail)


def _event(kind: str, mail: Mail, detail: dict[str, Any]) -> str:
    about = {
        "timestamp": _NOON,
        "messageId": mail["id"],
        "destination": mail["to"],
        "tags": {name: [value] for name, value in mail["tags"].items()},
    }
    return json.dumps({"eventType": kind, "mail": about, kind.lower(): detail})


def _half_an_emoji(mail: Mail) -> str:
    [address] = mail["to"]
    why = "smtp; 550 5.1.1 no such user \ud83d"
    return _bounce(mail, [{"emailAddress": address, "status": "5.1.1", "diagnosticCode": why}])


def _nulls(mail: Mail) -> str:
    return _bounce(mail, None)


def _deep(mail: Mail) -> str:
    return _delivery(mail, more="@").replace('"@"', "[" * DEPTH + "]" * DEPTH)


def _end_of_calendar(mail: Mail) -> str:
    return _delivery(mail, timestamp="9999-12-31T23:59:59.000-14:00")


def _start_of_calendar(mail: Mail) -> str:
    return _delivery(mail, timestamp="0001-01-01T00:00:00.000+14:00")


_NOON = "2026-01-01T12:00:00.000Z"
#: Events that must be applied, though a careless reader fails on them.
_HARD: list[tuple[str, Callable[[Mail], str]]] = [
    ("half an emoji", _half_an_emoji),
    ("nulls", _nulls),
]
#: Events that no reader can use, and the certificate that each names.
_POISON: list[tuple[str, Callable[[Mail], str], str]] = [
    ("deep nesting", _deep, "good"),
    ("end of the calendar", _end_of_calendar, "good"),
    ("start of the calendar", _start_of_calendar, "good"),
    ("certificate of garbage", _delivery, "garbage"),
    ("certificate of version 6", _delivery, "version6"),
    ("certificate with an unknown key", _delivery, "unknownkey"),
]
