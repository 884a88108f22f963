"""Keep our suppressions and the lists that AWS keeps itself in step, both ways."""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from apps.core import conf
from apps.core.exceptions import DeliveryError, PermanentError
from apps.core.guards import suppressions
from apps.core.models import Mark, Suppression
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import suppression_lists
from apps.core.redaction import storable
from apps.core.states import Channel

logger = logging.getLogger(__name__)

#: SES has had an account-level list since about then
#: (https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html).
FIRST_DAY = datetime(2019, 11, 1, tzinfo=UTC)
#: How much is read at once, and how much the next run reads again: clocks differ, and entries may
#: come late.
WINDOW = timedelta(days=30)
OVERLAP = timedelta(days=1)
#: Seconds after which a run ends between two windows. The next run continues.
RUN_S = 180.0
#: Seconds for removing addresses from each list. The next run continues.
REMOVE_S = 30.0
#: Who lifted a suppression if the owner of the number answered START.
OWNER = "SNS: the owner answered START"
#: If more numbers than this, and more than stay, leave the list at once, nothing is lifted: it may
#: be another account's list.
FEW = 10


def read_suppressed() -> None:
    """Import what is new on SES's list; the first time, all of it.

    Raise DeliveryError. What was imported by then is kept, and the next call reads it again.
    """
    ends = time.monotonic() + RUN_S
    ses = suppression_lists.ses()
    for since, until in _windows():
        pages = suppression_lists.suppressed(ses, since, until)
        new = sum(suppressions.import_listed(Channel.EMAIL, page) for page in pages)
        Mark.objects.advance(_ses_list(), until)
        if new:
            logger.info("SES's suppression list read until=%s new=%d", until, new)
        if time.monotonic() > ends:
            return


def read_opted_out() -> None:
    """Import SNS's opted-out numbers, and lift the suppression of those that left its list.

    Raise DeliveryError. Then nothing is lifted, because the list was not read to its end.
    """
    name, began, on_list = _sns_list(), timezone.now(), 0
    for page in suppression_lists.opted_out():
        suppressions.import_listed(Channel.SMS, page)
        on_list += len(page)
    if last_time := _remembered(name):
        _lift_departed(last_time, began, on_list)
    Mark.objects.advance(name, began)


def remove_lifted() -> None:
    """Remove what was lifted here from AWS's lists. AWS's errors are logged, never raised."""
    for channel, keeps_a_list in (
        (Channel.EMAIL, conf.ses_keeps_a_list()),
        (Channel.SMS, conf.sns_sends_texts()),
    ):
        if keeps_a_list:
            _remove_lifted(channel)


def _ses_list() -> str:
    """Return the name of the mark up to which the list was read; each region has its own list."""
    return f"ses suppression list {settings.AWS_SES_REGION_NAME}"


def _sns_list() -> str:
    """Return the name of the mark at which the last complete reading began."""
    return f"sns opt-outs {settings.AWS_SNS_REGION_NAME}"


def _remembered(name: str) -> datetime | None:
    return Mark.objects.filter(name=name).values_list("at", flat=True).first()


def _windows() -> Iterator[tuple[datetime, datetime]]:
    """Yield the times from the last reading until now, each with its overlap."""
    now = timezone.now()
    since = _remembered(_ses_list()) or FIRST_DAY
    while since < now:
        until = min(since + WINDOW, now)
        yield since - OVERLAP, until
        since = until


def _lift_departed(last_time: datetime, began: datetime, on_list: int) -> None:
    """Lift the suppression of numbers that were listed at the last reading and are not now."""
    gone = Suppression.objects.in_force().filter(
        channel=Channel.SMS,
        reason=SuppressionReason.OPT_OUT,
        listed_at__gte=last_time,
        listed_at__lt=began,
    )
    if (count := gone.count()) > max(FEW, on_list):
        total = count + on_list
        logger.error("none lifted: %d of %d opt-outs left SNS's list at once", count, total)
        return
    for row in gone:
        # The list is not a snapshot: a page may have missed the number.
        if not suppression_lists.is_opted_out(row.listed_as):
            if suppressions.lift(row, OWNER, is_listed=False):
                suppressions.restore_consent(row)
            logger.info("number opted in again id=%s", row.pk)


def _remove_lifted(channel: Channel) -> None:
    ends = time.monotonic() + REMOVE_S
    waiting = Suppression.objects.filter(channel=channel, unlist=True)
    # Addresses that AWS refused before come last.
    for row in waiting.order_by("unlist_problem", "lifted_at"):
        if time.monotonic() > ends:
            return
        if _is_suppressed_again(row):
            waiting.filter(pk=row.pk).update(unlist=False, unlist_problem="suppressed again")
            continue
        try:
            _remove_from_list(row)
        except PermanentError as error:
            waiting.filter(pk=row.pk).update(unlist_problem=storable(str(error), 300))
            logger.warning("not removed from the provider's list id=%s code=%s", row.pk, error.code)
        except DeliveryError as error:
            # It concerns the other addresses as well.
            waiting.update(unlist_problem=storable(str(error), 300))
            logger.warning("nothing removed from the list of %s code=%s", channel, error.code)
            return
        else:
            done = {"unlist": False, "unlist_problem": "", "unlisted_at": timezone.now()}
            waiting.filter(pk=row.pk).update(**done)


def _remove_from_list(row: Suppression) -> None:
    address = row.listed_as or row.address
    if row.channel == Channel.EMAIL:
        suppression_lists.unsuppress(address)
    else:
        suppression_lists.opt_in(address)


def _is_suppressed_again(row: Suppression) -> bool:
    again = Suppression.objects.in_force().filter(channel=row.channel, address=row.address)
    return again.exists()
