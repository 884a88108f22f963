"""Send everything that the application can send, once. A test runs this in its own process."""

import logging
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import mail_admins

from apps.core.audit.alarms import telling, watch
from apps.core.exceptions import NotSendable
from apps.core.guards import sms_budget
from apps.core.message import kinds
from apps.core.models import Contact, SMSSpend
from apps.core.services import verification
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, Priority
from apps.repairs import requesting, services
from apps.repairs.models import Damage, FleetUnit, Position, Profile, Repair, RepairEvent
from apps.repairs.undo import undo

PRICE = Decimal("95.00")
BREAK: dict[str, Any] = {"damage": Damage.CHIP, "position": Position.CENTER}


def drive_repairs() -> None:
    """Take repairs of the demo through every event that notifies people."""
    people = {profile.user.username: profile for profile in Profile.objects.select_related("user")}
    jane, tom, priya, maria, sam = (people[n] for n in ("jane", "tom", "priya", "maria", "sam"))
    unit = FleetUnit.objects.select_related("company").get(number="204")

    whole = requesting.request_repair(by=maria, unit=unit, **BREAK)
    services.assign(whole, jane, by=sam)
    services.assign(whole, priya, by=sam)
    services.submit_estimate(whole, PRICE, by=priya)
    services.approve(whole, by=maria)
    services.start(whole, by=priya)
    services.complete(whole, PRICE, by=priya)

    for decide in (services.approve_cost, _deny_cost):
        dearer = requesting.request_repair(by=tom, unit=unit, estimate=PRICE, **BREAK)
        services.approve(dearer, by=maria)
        services.start(dearer, by=tom)
        services.complete(dearer, PRICE * 2, by=tom, reason="A second leg opened.")
        decide(dearer, by=maria)

    denied = requesting.request_repair(by=tom, unit=unit, estimate=PRICE, **BREAK)
    services.deny(denied, "The truck is sold.", by=maria)

    asked = requesting.request_repair(by=tom, unit=unit, estimate=PRICE, **BREAK)
    _undo_late(services.approve(asked, by=maria))
    services.approve(asked, by=maria)

    breaks = [requesting.Break(estimate=PRICE, **BREAK)] * 2
    batch = requesting.request_batch(by=tom, unit=unit, breaks=breaks)
    services.approve_batch(batch, by=maria)
    assert Repair.objects.filter(batch=batch).count() == 2


def _undo_late(event: RepairEvent) -> None:
    """Undo an action as if its messages had left: nine seconds after it."""
    event.at -= timedelta(seconds=9)
    event.save()
    Repair.objects.filter(pk=event.repair_id).update(updated_at=event.at)
    undo(event, by=event.actor)


def _deny_cost(repair: Repair, *, by: Profile) -> None:
    services.deny_cost(repair, "We agreed on one break.", by=by)


def notify_everyone() -> None:
    """Send each kind of notification to each person, by e-mail and by text message."""
    for kind in kinds.REGISTRY.values():
        NotificationService().notify(
            kind.name,
            User.objects.all(),
            kind.sample.model_dump(),
            priority=Priority.URGENT,
            action_url="/repairs/1/",
        )


def confirm_addresses() -> None:
    """Send a link to each address and a code to each number, which need no consent."""
    for contact in Contact.objects.select_related("user"):
        for channel in Channel:
            verification.send(contact, channel)


def alert_the_administrator() -> None:
    """Send every kind of mail to ADMIN_EMAIL, and of text to ONCALL_PHONE."""
    spent = settings.SMS_MONTHLY_SPEND_LIMIT_USD * Decimal("0.8")
    SMSSpend.objects.get_or_create(month=sms_budget.this_month(), defaults={"committed_usd": spent})
    watch.evaluate()
    telling.tell()
    logging.getLogger("django.request").error("An error of a page")
    with suppress(NotSendable):
        mail_admins("To the administrators", "By Django itself.")
