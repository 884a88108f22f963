"""Whether each e-mail's delivery ended as the provider told it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from apps.core.models import Delivery
from apps.core.states import Channel, DeliveryState
from chaos.books import mark_of
from chaos.producer import Order
from chaos.verdict import SHOWN
from sandbox.testing import RunningSandbox

#: What the last word on an e-mail makes of it, the strongest first: in whatever order they come.
ENDS = {
    "Complaint": DeliveryState.COMPLAINED,
    "Bounce": DeliveryState.BOUNCED,
    "Reject": DeliveryState.REJECTED,
    "Delivery": DeliveryState.DELIVERED,
}


def fates(sandbox: RunningSandbox, orders: Iterable[Order]) -> tuple[dict[str, Any], list[str]]:
    """How many e-mails had which end, and which deliveries say otherwise."""
    told = {mark_of(mail): _end(mail) for mail in sandbox.messages(kind="email")}
    rows = Delivery.objects.filter(
        channel=Channel.EMAIL, notification__dedup_key__in=[order.mark for order in orders]
    )
    wrong = [
        f"{mark} is {state}, and the provider said {told.get(mark)}"
        for mark, state in rows.values_list("notification__dedup_key", "state")
        if state != told.get(mark)
    ]
    problems = [f"{len(wrong)} wrong ends: {'; '.join(wrong[:SHOWN])}"] if wrong else []
    return {"ends": dict(Counter(str(end) for end in told.values()))}, problems


def _end(mail: dict[str, Any]) -> str | None:
    types = {event["type"] for event in mail["events"]}
    return next((str(end) for kind, end in ENDS.items() if kind in types), None)
