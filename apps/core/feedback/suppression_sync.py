"""The lists that AWS keeps itself, brought into line with ours, both ways."""

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

#: SES has had a list for each account since about then
#: (https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html).
FIRST_DAY = datetime(2019, 11, 1, tzinfo=UTC)
#: What is read at one go, and read again at the next: clocks differ, and a list may be late.
WINDOW = timedelta(days=30)
OVERLAP = timedelta(days=1)
#: Seconds after which a turn ends between two windows: the next one goes on.
TURN_S = 180.0
#: Seconds for what is to be taken off each list: the next turn goes on.
TAKE_OFF_S = 30.0
#: Who lifted it, where the owner of the number answered START.
OWNER = "SNS: the owner answered START"
#: So many may leave the list at once, or as many as stay on it. More is another list: that of
#: another account, for one.
FEW = 10


def read_suppressed() -> None:
    """Read what came onto SES's list since the last time, at the first time all of it.

    Raises DeliveryError; what was read by then is kept, and the next call reads it again.
    """
    ends = time.monotonic() + TURN_S
    ses = suppression_lists.ses()
    for since, until in _windows():
        pages = suppression_lists.suppressed(ses, since, until)
        new = sum(suppressions.take_over(Channel.EMAIL, page) for page in pages)
        _remember(_ses_list(), until)
        if new:
            logger.info("SES's suppression list read until=%s new=%d", until, new)
        if time.monotonic() > ends:
            return


def read_opted_out() -> None:
    """Read the numbers that SNS sends nothing to, and let go those that have left its list.

    Raises DeliveryError: then nothing is let go, for the list was not seen to its end.
    """
    name, began, on_list = _sns_list(), timezone.now(), 0
    for page in suppression_lists.opted_out():
        suppressions.take_over(Channel.SMS, page)
        on_list += len(page)
    if last_time := _remembered(name):
        _let_go(last_time, began, on_list)
    _remember(name, began)


def take_off() -> None:
    """Take what was lifted here off AWS's lists. Never raises for AWS: the next call goes on."""
    for channel, keeps_a_list in (
        (Channel.EMAIL, conf.ses_keeps_a_list()),
        (Channel.SMS, conf.sns_sends_texts()),
    ):
        if keeps_a_list:
            _take_off(channel)


def _ses_list() -> str:
    """The mark up to which the list was read; each Region has its own list."""
    return f"ses suppression list {settings.AWS_SES_REGION_NAME}"


def _sns_list() -> str:
    """The mark at which its last complete reading began."""
    return f"sns opt-outs {settings.AWS_SNS_REGION_NAME}"


def _remembered(name: str) -> datetime | None:
    return Mark.objects.filter(name=name).values_list("at", flat=True).first()


def _remember(name: str, at: datetime) -> None:
    Mark.objects.update_or_create(name=name, defaults={"at": at})


def _windows() -> Iterator[tuple[datetime, datetime]]:
    """From where the last reading came to until now, each with what may have come late."""
    now = timezone.now()
    since = _remembered(_ses_list()) or FIRST_DAY
    while since < now:
        until = min(since + WINDOW, now)
        yield since - OVERLAP, until
        since = until


def _let_go(last_time: datetime, began: datetime, on_list: int) -> None:
    """Text those again who were on the list at its last reading and have answered START."""
    gone = Suppression.objects.in_force().filter(
        channel=Channel.SMS,
        reason=SuppressionReason.OPT_OUT,
        listed_at__gte=last_time,
        listed_at__lt=began,
    )
    if (count := gone.count()) > max(FEW, on_list):
        left = count + on_list
        logger.error("not believed: of %d opt-outs %d left SNS's list at once", left, count)
        return
    for row in gone:
        # The list is no snapshot: a page may have missed it.
        if not suppression_lists.is_opted_out(row.listed_as):
            suppressions.lift(row, OWNER, is_listed=False)
            logger.info("number opted in again id=%s", row.pk)


def _take_off(channel: Channel) -> None:
    ends = time.monotonic() + TAKE_OFF_S
    waiting = Suppression.objects.filter(channel=channel, unlist=True)
    # What was refused before comes last, and keeps no other waiting.
    for row in waiting.order_by("unlist_problem", "lifted_at"):
        if time.monotonic() > ends:
            return
        if _is_suppressed_again(row):
            waiting.filter(pk=row.pk).update(unlist=False, unlist_problem="suppressed again")
            continue
        try:
            _taken_off(row)
        except PermanentError as error:
            waiting.filter(pk=row.pk).update(unlist_problem=storable(str(error), 300))
            logger.warning("not taken off the provider's list id=%s: %s", row.pk, error)
        except DeliveryError as error:
            # It concerns the others as well.
            waiting.update(unlist_problem=storable(str(error), 300))
            logger.warning("nothing taken off the list of %s: %s", channel, error)
            return
        else:
            done = {"unlist": False, "unlist_problem": "", "unlisted_at": timezone.now()}
            waiting.filter(pk=row.pk).update(**done)


def _taken_off(row: Suppression) -> None:
    address = row.listed_as or row.address
    if row.channel == Channel.EMAIL:
        suppression_lists.unsuppress(address)
    else:
        suppression_lists.opt_in(address)


def _is_suppressed_again(row: Suppression) -> bool:
    again = Suppression.objects.in_force().filter(channel=row.channel, address=row.address)
    return again.exists()
