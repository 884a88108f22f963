"""E-mail the administrator about the system itself."""

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
from apps.core.message import brand
from apps.core.message.rendering import EmailContent
from apps.core.models import ChannelStop, Mark, SMSSpend
from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel, Priority

from .findings import Difference, Status

logger = logging.getLogger(__name__)

#: The share of the month's limit at which the administrator is warned.
WARN_AT = Decimal("0.8")
#: How long the same differences are not mailed again: a little less than a day and a week, so that
#: a run that comes early still mails.
FAIL_AGAIN, WARN_AGAIN = timedelta(hours=20), timedelta(days=6, hours=20)
#: How long a worker's claim on an alert lasts: longer than a task can run.
CLAIM = timedelta(minutes=10)


def send_budget_alerts() -> None:
    """Warn the administrator at 80 % of the month's budget, and at its end, once each.

    The next call tries again what could not be sent.
    """
    spend = SMSSpend.objects.filter(month=sms_budget.this_month()).first()
    if spend is None or spend.stopped_at:
        return
    limit = settings.SMS_MONTHLY_SPEND_LIMIT_USD
    if spend.refused_at or spend.committed_usd >= limit:
        _send_once(spend, "stopped_at", _stopped(spend))
    elif spend.committed_usd >= limit * WARN_AT:
        _send_once(spend, "warned_at", _warning(spend))


def send_channel_alerts() -> None:
    """Tell the administrator once about each stopped channel.

    The next call tries again what could not be sent. While e-mail itself is stopped, only the error
    log can tell.
    """
    stops = ChannelStop.objects.filter(told_at=None)
    for stop in stops.exclude(channel=Channel.EMAIL, cause=StopCause.PROVIDER):
        content = _STOPPED[StopCause(stop.cause)]
        _send_once(stop, "told_at", content(stop))


def send_reputation_warning(found: reputation.Reputation) -> None:
    """Warn the administrator, once a day, that too much e-mail bounces or is complained about."""
    if not found.is_doubtful or found.is_bad:
        return
    _send_at_most_every(timedelta(days=1), "reputation warning", _doubtful(found))


def send_differences(differences: Sequence[Difference]) -> None:
    """Tell the administrator where AWS's counts and our records differ.

    Failures once a night; the same warnings without a failure once a week.
    """
    if not differences:
        return
    is_bad = any(each.finding.status == Status.FAIL for each in differences)
    name = f"differences: {' '.join(each.id for each in differences)}"
    _send_at_most_every(FAIL_AGAIN if is_bad else WARN_AGAIN, name, _differing(differences))


def _send_at_most_every(pause: timedelta, name: str, content: EmailContent) -> None:
    mark, _ = Mark.objects.get_or_create(name=name, defaults={"at": _LONG_AGO})
    _claim_and_send(name, Mark.objects.filter(pk=mark.pk, at__lt=Now() - pause), "at", content)


def _send_once(row: SMSSpend | ChannelStop, told_at: str, content: EmailContent) -> None:
    rows: QuerySet[Any] = type(row)._default_manager.filter(pk=row.pk, **{told_at: None})
    _claim_and_send(f"{row._meta.model_name} {told_at}", rows, told_at, content)


def _claim_and_send(what: str, untold: QuerySet[Any], told_at: str, content: EmailContent) -> None:
    """Send the alert if it is still to be sent and no other worker is sending it; store when.

    A worker that dies leaves its claim to expire. If the outcome is unknown the alert counts as
    unsent: one e-mail too many is better than none.
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
        _wait_for_slot()
        service.send(message)
    except DeliveryError as error:
        logger.warning("alert not sent, the next turn tries again: %s", error)
        return False
    return True


def _wait_for_slot() -> None:
    """Wait for a rate slot; raise TransientError if there is none soon enough."""
    if ChannelStop.objects.filter(channel=Channel.EMAIL, cause=StopCause.PROVIDER).exists():
        raise ChannelUnavailableError("e-mails are stopped")
    while slot := rate_limit.wait_for_slot(Channel.EMAIL, Priority.URGENT):
        if slot.wait():
            return
    raise TransientError("no rate slot is free soon enough")


def _doubtful(found: reputation.Reputation) -> EmailContent:
    return _content(
        f"{brand.current().name}: too much e-mail bounces or is complained about",
        f"Within a day, {found}. SES reviews an account at {reputation.WARN_BOUNCES:.0%} bounces "
        f"or {reputation.WARN_COMPLAINTS:.1%} complaints, and may pause it at twice, and five "
        "times, as much.",
        f"At {reputation.STOP_BOUNCES:.0%} or {reputation.STOP_COMPLAINTS:.1%} we stop what is "
        "not urgent by ourselves. Look at the latest provider events in the admin: where did "
        "those addresses come from?",
    )


def _differing(differences: Sequence[Difference]) -> EmailContent:
    return _content(
        f"{brand.current().name}: AWS's counts differ from our records",
        *(
            f"{each.id} ({each.finding.status}): {each.finding.found}. {each.finding.do}"
            for each in differences
        ),
        "`manage.py aws reconcile` compares again; docs/aws.md says what each check compares. "
        "Failures are mailed each night, a warning that stays once a week.",
    )


def _held_back(stop: ChannelStop) -> EmailContent:
    return _content(
        f"{brand.current().name}: e-mail that is not urgent is stopped",
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
        f"{brand.current().name}: {channel}s are stopped",
        f"The provider refuses every {channel} for a reason that concerns the account: "
        f"{stop.code} {stop.reason}".strip(),
        "Nothing is lost: messages wait, and those for this channel alone go by another. At least "
        "every five minutes one message is tried, and when the provider accepts it the others "
        "follow by themselves.",
        "Check the credentials, the provider's console and its limits. Under Stopped channels in "
        "the admin you can have it tried at once.",
    )


def _warning(spend: SMSSpend) -> EmailContent:
    return _content(
        f"{brand.current().name}: most of this month's text message budget is spent",
        _how_much(spend),
        "Text messages still go out. When the budget is spent they stop until the first of next "
        "month, and what would have gone by text message alone goes by e-mail.",
        _WHAT_TO_DO,
    )


def _stopped(spend: SMSSpend) -> EmailContent:
    return _content(
        f"{brand.current().name}: text messages have reached this month's budget",
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
