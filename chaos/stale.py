"""Settle matters while messages about them are under way: none may leave afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaos.run import Run

MATTERS, MANAGERS = 150, 3
#: Seconds over which the matters are settled, in random order.
OVER_S = 8.0
#: A call that was announced before the settling has ended after so long.
LONGEST_CALL = timedelta(seconds=5)
_NUMBER = re.compile(r"\bS-\d{6}\b")

#: When each matter was settled: after the commit.
_settled: dict[str, datetime] = {}


def settle_under_load(run: Run) -> None:
    """Tell three managers of each matter, more than can be sent at once, and settle it."""
    # These imports need the settings.
    from django.contrib.auth.models import User

    from apps.core.services.notification import NotificationService
    from apps.core.states import Priority
    from chaos.producer import KIND, context

    _settled.clear()
    people = list(User.objects.order_by("-pk")[: MATTERS * MANAGERS])
    # Any row can be a matter.
    matters = {f"S-{number:06d}": people[number] for number in range(MATTERS)}
    for position, (number, matter) in enumerate(matters.items()):
        managers = people[position * MANAGERS : (position + 1) * MANAGERS]
        NotificationService().notify(
            KIND,
            managers,
            context(number),
            priority=Priority.MEDIUM,
            about=matter,
            action_url="/repairs/1/",
        )
    order = list(matters.items())
    run.rng.shuffle(order)
    for number, matter in order:
        NotificationService().settle(matter, because="approved by another manager")
        _settled[number] = datetime.now(UTC)
        run.wait(run.rng.uniform(0, 2 * OVER_S / MATTERS))
    run.until_committed()


def check(run: Run) -> None:
    """Check that nothing left after its matter was settled, and that all has an end."""
    mails = run.rig.sandbox.messages(kind="email")
    arrived = [mail for mail in mails if _NUMBER.search(mail["subject"])]
    late = [mail for mail in arrived if _is_late(mail, _settled)]
    called = _announced_late(_settled)
    skipped = _count_skipped()
    run.note(
        {"stale": len(late) + called, "before": len(arrived), "spared": skipped},
        [f"{len(late)} messages arrived long after their matter was settled"] * bool(late)
        + [f"{called} calls were announced after their matter was settled"] * bool(called)
        + find_problems(MATTERS * MANAGERS, len(arrived), skipped),
    )


def find_problems(planned: int, arrived: int, skipped: int) -> list[str]:
    """Return what is wrong with the sums, or that the run has shown nothing."""
    if arrived + skipped != planned:
        return [f"of {planned} messages {arrived} arrived and {skipped} were skipped"]
    if not arrived or not skipped:
        return ["no matter was settled while its messages were under way"]
    return []


def _is_late(mail: Mapping[str, Any], settled: Mapping[str, datetime]) -> bool:
    found = _NUMBER.search(mail["subject"])
    assert found
    received = datetime.fromisoformat(mail["received_at"])
    return received > settled[found[0]] + LONGEST_CALL


def _announced_late(settled: Mapping[str, datetime]) -> int:
    """Return how many calls the log announces after the commit of the settling."""
    from apps.core.models import NotificationDeliveryLog
    from apps.core.states import LogEvent

    calls = NotificationDeliveryLog.objects.filter(
        event=LogEvent.CALLING, delivery__notification__settled_at__isnull=False
    ).values_list("at", "delivery__notification__context")
    return sum(at > settled[context["job"]["number"]] for at, context in calls)


def _count_skipped() -> int:
    from apps.core.models import Delivery
    from apps.core.reasons import Reason
    from apps.core.states import DeliveryState

    settled = Delivery.objects.filter(notification__settled_at__isnull=False)
    return settled.filter(state=DeliveryState.SKIPPED, decision=Reason.SETTLED).count()
