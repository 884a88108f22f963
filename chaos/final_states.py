"""Check that each e-mail's delivery ended as the provider's events say."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from apps.core.models import Delivery
from apps.core.states import Channel, DeliveryState
from chaos.arrivals import job_number_of
from chaos.producer import PlannedNotification
from chaos.verdict import MOST_SHOWN
from sandbox.testing import RunningSandbox

#: The final state for each type of event. The first that was sent decides, in whatever order they
#: came.
FINAL_STATES = {
    "Complaint": DeliveryState.COMPLAINED,
    "Bounce": DeliveryState.BOUNCED,
    "Reject": DeliveryState.REJECTED,
    "Delivery": DeliveryState.DELIVERED,
}


def check_final_states(
    sandbox: RunningSandbox, notifications: Iterable[PlannedNotification]
) -> tuple[dict[str, Any], list[str]]:
    """Return how many e-mails had which end, and the problems."""
    told = {job_number_of(mail): _final_state(mail) for mail in sandbox.messages(kind="email")}
    problems = find_wrong_states(told, notifications)
    return {"ends": dict(Counter(str(end) for end in told.values()))}, problems


def find_wrong_states(
    told: dict[str, str | None], notifications: Iterable[PlannedNotification]
) -> list[str]:
    """Return a problem if e-mail deliveries are in another state than `told`, by job number."""
    rows = Delivery.objects.filter(
        channel=Channel.EMAIL,
        notification__dedup_key__in=[each.job_number for each in notifications],
    )
    wrong = [
        f"{job_number} is {state}, the provider said {told.get(job_number)}"
        for job_number, state in rows.values_list("notification__dedup_key", "state")
        if state != told.get(job_number)
    ]
    return [f"{len(wrong)} wrong final states: {'; '.join(wrong[:MOST_SHOWN])}"] if wrong else []


def _final_state(mail: dict[str, Any]) -> str | None:
    types = {event["type"] for event in mail["events"]}
    return next((str(state) for type_, state in FINAL_STATES.items() if type_ in types), None)
