"""What the administrator is told about the system itself, in an e-mail of its own."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.html import format_html_join

from apps.core.channels.email import EmailService
from apps.core.exceptions import ChannelUnavailableError, DeliveryError, TransientError
from apps.core.guards import rate_limit, reputation, sms_budget
from apps.core.message.rendering import EmailContent
from apps.core.models import ChannelStop, Mark, SMSSpend
from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel, Priority

from .findings import Difference, Status

logger = logging.getLogger(__name__)

#: The share of the month's limit at which the administrator is warned.
WARN_AT = Decimal("0.8")
#: How long the same differences are not told again: less than the day between two nights, so that
#: one that comes a little early does tell.
TELL_AGAIN, WARN_AGAIN = timedelta(hours=20), timedelta(days=6, hours=20)
#: How long a worker has to tell something before another may: longer than a task can last.
CLAIM = timedelta(minutes=10)


def send_budget_alerts() -> None:
    """Tell the administrator, once a month each, that the budget nears its end and that it ended.

    What could not be sent is tried again by the next call.
    """
    spend = SMSSpend.objects.filter(month=sms_budget.this_month()).first()
    if spend is None or spend.stopped_at:
        return
    limit = settings.SMS_MONTHLY_SPEND_LIMIT_USD
    if spend.refused_at or spend.committed_usd >= limit:
        _once(spend, "stopped_at", _stopped(spend))
    elif spend.committed_usd >= limit * WARN_AT:
        _once(spend, "warned_at", _warning(spend))


def send_channel_alerts() -> None:
    """Tell the administrator, once a stop, that a channel stands still.

    What could not be sent is tried again by the next call; of e-mail's own stop, only the log of
    errors can tell while it lasts.
    """
    stops = ChannelStop.objects.filter(told_at=None)
    for stop in stops.exclude(channel=Channel.EMAIL, cause=StopCause.PROVIDER):
        content = _STOPPED[StopCause(stop.cause)]
        _once(stop, "told_at", content(stop))


def send_reputation_warning(found: reputation.Reputation) -> None:
    """Tell the administrator, once a day, that too much e-mail bounces or is complained about."""
    if not found.is_doubtful or found.is_bad:
        return
    _now_and_then("reputation warning", timedelta(days=1), _doubtful(found))


def send_differences(lines: Sequence[Difference]) -> None:
    """Tell the administrator what AWS's counts and our books do not agree about.

    Once a night where a line fails; of the same warnings without a failure, once a week.
    """
    if not lines:
        return
    is_bad = any(line.finding.status == Status.FAIL for line in lines)
    name = f"differences: {' '.join(line.id for line in lines)}"
    _now_and_then(name, TELL_AGAIN if is_bad else WARN_AGAIN, _differing(lines))


def _now_and_then(name: str, pause: timedelta, content: EmailContent) -> None:
    mark, _ = Mark.objects.get_or_create(name=name, defaults={"at": _LONG_AGO})
    _tell(name, Mark.objects.filter(pk=mark.pk, at__lt=Now() - pause), "at", content)


def _once(row: SMSSpend | ChannelStop, told_at: str, content: EmailContent) -> None:
    rows: QuerySet[Any] = type(row)._default_manager.filter(pk=row.pk, **{told_at: None})
    _tell(f"{row._meta.model_name} {told_at}", rows, told_at, content)


def _tell(what: str, untold: QuerySet[Any], told_at: str, content: EmailContent) -> None:
    """Send it and then write down when, where nobody has done so and nobody is about to.

    Whoever sends has a claim, and gives it back unless it dies: then the claim runs out. Where
    nobody knows whether the e-mail went out, it is not told: one too many is better than none.
    """
    mark, _ = Mark.objects.get_or_create(name=f"telling {what}", defaults={"at": _LONG_AGO})
    claim = Mark.objects.filter(pk=mark.pk)
    if not claim.filter(at__lt=Now() - CLAIM).update(at=Now()):
        return
    if untold.exists() and _send(content):
        untold.update(**{told_at: Now()})
    claim.update(at=_LONG_AGO)


def _send(content: EmailContent) -> bool:
    service = EmailService()
    try:
        message = service.message(settings.ADMIN_EMAIL, content, tags={})
        _wait_for_turn(service)
        service.send(message)
    except DeliveryError as error:
        logger.warning("alert not sent, the next turn tries again: %s", error)
        return False
    return True


def _wait_for_turn(service: EmailService) -> None:
    """Return when the account's pace has a slot; raises TransientError where it has none."""
    if ChannelStop.objects.filter(channel=Channel.EMAIL, cause=StopCause.PROVIDER).exists():
        raise ChannelUnavailableError("e-mails are stopped")
    service.provider.prepare()
    while slot := rate_limit.wait_for_slot(Channel.EMAIL, Priority.URGENT):
        if slot.wait():
            return
    raise TransientError("the account's pace has no slot soon enough")


def _doubtful(found: reputation.Reputation) -> EmailContent:
    return _content(
        f"{settings.BRAND_NAME}: too much e-mail bounces or is complained about",
        f"Within a day, {found}. SES reviews an account at {reputation.WARN_BOUNCES:.0%} bounces "
        f"or {reputation.WARN_COMPLAINTS:.1%} complaints, and may pause it at twice, and five "
        "times, as much.",
        f"At {reputation.STOP_BOUNCES:.0%} or {reputation.STOP_COMPLAINTS:.1%} we stop what is "
        "not urgent by ourselves. Look at the latest provider events in the admin: where did "
        "those addresses come from?",
    )


def _differing(lines: Sequence[Difference]) -> EmailContent:
    return _content(
        f"{settings.BRAND_NAME}: AWS's counts differ from our books",
        *(
            f"{line.id} ({line.finding.status}): {line.finding.found}. {line.finding.do}"
            for line in lines
        ),
        "`manage.py aws reconcile` looks again; docs/aws.md says what each line compares. What "
        "fails is told each night, and a warning that stays once a week.",
    )


def _held_back(stop: ChannelStop) -> EmailContent:
    return _content(
        f"{settings.BRAND_NAME}: e-mail that is not urgent is stopped",
        f"{stop.reason[:1].upper()}{stop.reason[1:]}.",
        "SES may pause an account for that, and then nothing would go out. Urgent e-mails still "
        "do; the others wait, and go out by themselves when the shares of the last 24 hours are "
        "good again.",
        "Find out where those addresses came from. Under Stopped channels in the admin you can "
        "have e-mail sent again at once, counted anew.",
    )


def _standing_still(stop: ChannelStop) -> EmailContent:
    channel = stop.get_channel_display().lower()
    return _content(
        f"{settings.BRAND_NAME}: {channel}s are stopped",
        f"The provider refuses every {channel} for a reason that concerns the account: "
        f"{stop.code} {stop.reason}".strip(),
        "Nothing is lost: what is to be sent waits, and what rests on this channel alone goes by "
        "another. One message is let through now and then, at least every five minutes, and when "
        "the provider takes it the others follow by themselves.",
        "Check the credentials, the provider's console and its limits. Under Stopped channels in "
        "the admin you can have it tried at once.",
    )


def _warning(spend: SMSSpend) -> EmailContent:
    return _content(
        f"{settings.BRAND_NAME}: most of this month's text message budget is spent",
        _how_much(spend),
        "Text messages still go out. When the budget is spent they stop until the first of next "
        "month, and what would have gone by text message alone goes by e-mail.",
        _WHAT_TO_DO,
    )


def _stopped(spend: SMSSpend) -> EmailContent:
    return _content(
        f"{settings.BRAND_NAME}: text messages have reached this month's budget",
        _how_much(spend),
        "Text messages that do not fit are no longer sent, until the first of next month. What "
        "would have gone by text message alone goes by e-mail; e-mails and the messages in the "
        "application are not affected. The delivery list in the admin names each text message "
        "that was skipped.",
        _WHAT_TO_DO,
    )


_STOPPED = {StopCause.PROVIDER: _standing_still, StopCause.REPUTATION: _held_back}
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

_WHAT_TO_DO = (
    "If this is as expected, there is nothing to do. To send more this month, raise "
    "SMS_MONTHLY_SPEND_LIMIT_USD and restart the workers; check first that the provider's own "
    "spending limit allows it. This is the only e-mail of its kind this month."
)


def _how_much(spend: SMSSpend) -> str:
    limit = settings.SMS_MONTHLY_SPEND_LIMIT_USD
    return (
        f"Text messages of {spend.month:%B %Y} (UTC): ${spend.committed_usd:.2f} of ${limit:.2f} "
        "are spent or reserved."
    )


def _content(subject: str, *paragraphs: str) -> EmailContent:
    html = format_html_join("\n", "<p>{}</p>", ((paragraph,) for paragraph in paragraphs))
    return EmailContent(subject, "\n\n".join(paragraphs) + "\n", html)
