"""Look at the account now and then, and store what the alarms and the cockpit show."""

import logging

from apps.aws.account import Account
from apps.core.audit import readings
from apps.core.audit.findings import Finding, Status, Unseen, fail, ok
from apps.core.providers import email_provider

from . import email, examination
from .examination import Examined

logger = logging.getLogger(__name__)


def examine() -> None:
    """Run the doctor, and store what fails. The workers have alarms of their own."""
    examined = [each for each in examination.examine() if each.check.area != "Workers"]
    readings.store(readings.DOCTOR, _summary(examined))


def read_quota() -> None:
    """Store how many e-mails SES sent in 24 hours, and how many it allows, if e-mail goes by it."""
    if not email_provider().name.startswith("ses"):
        return
    try:
        sent, most = email.day_quota(Account())
    except Unseen as unseen:
        logger.warning("SES's quota not read: %s", unseen.finding.found)
    else:
        readings.store(readings.QUOTA, sent=sent, most=most)


def _summary(examined: list[Examined]) -> Finding:
    failing = [each for each in examined if each.finding.status == Status.FAIL]
    if not failing:
        return ok(f"All {len(examined)} checks pass or warn.")
    words = "; ".join(f"{each.check.id}: {each.finding.found}" for each in failing)
    return fail(f"{len(failing)} of {len(examined)} checks fail. {words}.", failing[0].finding.do)
