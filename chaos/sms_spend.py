"""Check the month's SMS budget, and race many reservations for what is left of it."""

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

#: So many deliveries reserve at once, with money left for so many.
RIVALS, ROOM_FOR = 200, 120
#: US dollars for one part of a text message.
PRICE = Decimal("0.00645")


def check_spend(sandbox: RunningSandbox) -> tuple[dict[str, Any], list[str]]:
    """Return the month's figures in US dollars, and the problems.

    The limit must be kept, and used to the last message that fits; the committed amount must be
    the price of what the sandbox was sent.
    """
    limit, committed = settings.SMS_MONTHLY_SPEND_LIMIT_USD, _committed()
    texts = sandbox.messages(kind="sms")
    sent = PRICE * sum(text["parts"] for text in texts)
    answers = [
        (committed > limit, f"US$ {committed} committed, above the limit of {limit}"),
        (committed != sent, f"US$ {committed} committed, but US$ {sent} sent"),
        (
            committed + PRICE <= limit,
            f"US$ {committed} of {limit} committed, so one more would have fit",
        ),
    ]
    figures = {"texts": len(texts), "limit_usd": str(limit), "committed_usd": str(committed)}
    return figures, [problem for is_wrong, problem in answers if is_wrong]


def race_reservations() -> tuple[dict[str, Any], list[str]]:
    """Let RIVALS reserve at the same moment; money is there for ROOM_FOR of them.

    Run it last: it leaves claimed deliveries that no worker will send.
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
            f"{len(granted)} of {RIVALS} reservations were granted instead of {ROOM_FOR},"
            f" and US$ {_committed()} of {limit} are committed"
        )
    return {"rivals": RIVALS, "room_for": ROOM_FOR, "granted": len(granted)}, problems


def _committed() -> Decimal:
    return SMSSpend.objects.get(month=sms_budget.this_month()).committed_usd


def _claimed(count: int) -> list[Delivery]:
    """Make deliveries of text messages that look claimed by a worker."""
    person = User.objects.order_by("pk")[0]
    common = {"kind": "repair_approved", "category": "approval", "priority": Priority.LOW}
    notifications = Notification.objects.bulk_create(
        [Notification(recipient=person, context={}, **common) for _ in range(count)]
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
