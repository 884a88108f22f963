"""What the month's budget must look like at the end, and many at once for the last of it."""

import threading
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now

from apps.core import conf
from apps.core.exceptions import BudgetExhausted
from apps.core.guards import sms_budget
from apps.core.models import Delivery, Notification, SMSSpend
from apps.core.states import Channel, DeliveryState, Priority
from sandbox.testing import RunningSandbox

RIVALS, ROOM_FOR = 200, 120
PRICE = Decimal("0.00645")


def spend(sandbox: RunningSandbox) -> tuple[dict[str, Any], list[str]]:
    """The month's figures in US dollars, and what is wrong with them.

    The limit must be kept and used to the last message that fits, and what is committed must be
    what the sandbox was sent.
    """
    limit, spent = settings.SMS_MONTHLY_SPEND_LIMIT_USD, _committed()
    texts = sandbox.messages(kind="sms")
    sent = PRICE * sum(text["parts"] for text in texts)
    wrong = [
        (spent > limit, f"US$ {spent} committed, above the limit of {limit}"),
        (spent != sent, f"US$ {spent} committed, and US$ {sent} sent"),
        (spent + PRICE <= limit, f"US$ {spent} of {limit} committed, so one more would have fit"),
    ]
    figures = {"texts": len(texts), "limit_usd": str(limit), "committed_usd": str(spent)}
    return figures, [problem for is_wrong, problem in wrong if is_wrong]


def race() -> tuple[dict[str, Any], list[str]]:
    """How many of RIVALS that reserve at the same moment get what is there for ROOM_FOR of them.

    It leaves claimed deliveries behind that nobody will send: the last thing done on a database.
    """
    room = PRICE * ROOM_FOR
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = limit = _committed() + room
    settings.SMS_URGENT_RESERVE = Decimal(0)
    start, granted = threading.Barrier(RIVALS, timeout=60), []

    def reserve(delivery: Delivery) -> None:
        connection.ensure_connection()
        start.wait()
        try:
            granted.append(sms_budget.reserve(delivery, PRICE))
        except BudgetExhausted:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=reserve, args=(row,)) for row in _claimed(RIVALS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    problems = []
    if granted != [True] * ROOM_FOR or _committed() != limit:
        problems.append(
            f"{len(granted)} of {RIVALS} rivals were granted what is there for {ROOM_FOR},"
            f" and US$ {_committed()} of {limit} are committed"
        )
    return {"rivals": RIVALS, "room_for": ROOM_FOR, "granted": len(granted)}, problems


def _committed() -> Decimal:
    return SMSSpend.objects.get(month=sms_budget.this_month()).committed_usd


def _claimed(number: int) -> list[Delivery]:
    """Deliveries of text messages, each held by a worker that does not exist."""
    person = User.objects.order_by("pk")[0]
    common = {"kind": "repair_approved", "category": "approval", "priority": Priority.LOW}
    notifications = Notification.objects.bulk_create(
        [Notification(recipient=person, context={}, **common) for _ in range(number)]
    )
    rows = Delivery.objects.bulk_create(
        [
            Delivery(
                notification=notification,
                channel=Channel.SMS,
                priority=Priority.LOW,
                state=DeliveryState.SENDING,
                attempts=1,
                next_attempt_at=None,
                lease_until=Now() + conf.lease(),
            )
            for notification in notifications
        ]
    )
    return list(Delivery.objects.filter(pk__in=[row.pk for row in rows]))
