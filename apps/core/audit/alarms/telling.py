"""Tell the administrator and the phone on call that alarms started or ended, once each.

A worker claims the alarms that it tells. If it dies, its claim expires; if the outcome is unknown,
the alarms count as untold: one message too many is better than none. What one minute brings goes
as one message. An alarm that was over before its start could be told is told once, as over.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from apps.core.audit import admin_messages
from apps.core.message import brand
from apps.core.message.rendering import EmailContent
from apps.core.models import Alarm

from .rules import BY_NAME, AlarmRule

#: How long a claim lasts: longer than a task can run.
CLAIM = timedelta(minutes=10)
#: How long after its end an alarm is still told.
NEWS = timedelta(days=1)
#: Characters of one text message, in GSM's alphabet.
TEXT_LENGTH = 160


def tell() -> None:
    """Send untold starts and ends by each way. The next call retries what could not be sent."""
    _tell("start_mailed_at", "end_mailed_at", lambda news: admin_messages.send_email(_email(news)))
    if settings.ONCALL_PHONE and settings.SMS_ENABLED:
        _tell(
            "start_texted_at",
            "end_texted_at",
            lambda news: admin_messages.send_text(settings.ONCALL_PHONE, _text(news)),
        )


def _tell(start: str, end: str, send: Callable[[list[Alarm]], bool]) -> None:
    starts, ends = Q(**{start: None, "ended_at": None}), Q(**{end: None, "ended_at__isnull": False})
    recent = Q(ended_at=None) | Q(ended_at__gt=Now() - NEWS)
    untold = Alarm.objects.filter(
        starts | ends, recent, started_at__isnull=False, name__in=BY_NAME.keys()
    )
    news = sorted(_claim(untold), key=_weight)
    if news and send(news):
        for alarm in news:
            told = {start: Coalesce(F(start), Now())}
            if alarm.ended_at:
                told[end] = Coalesce(F(end), Now())
            Alarm.objects.filter(pk=alarm.pk).update(**told)
    Alarm.objects.filter(pk__in=[alarm.pk for alarm in news]).update(claimed_at=None)


def _weight(alarm: Alarm) -> tuple[bool, bool, object]:
    """Return what orders news: what begins before what is over, and the grave first."""
    return alarm.ended_at is not None, not _rule(alarm).is_grave, alarm.started_at


def _claim(untold: QuerySet[Alarm]) -> list[Alarm]:
    """Return all that no other worker tells; of two workers at once one gets them all."""
    free = Q(claimed_at=None) | Q(claimed_at__lt=Now() - CLAIM)
    with transaction.atomic():
        mine = list(untold.filter(free).order_by("pk").select_for_update())
        Alarm.objects.filter(pk__in=[alarm.pk for alarm in mine]).update(claimed_at=Now())
    return mine


def _email(news: Sequence[Alarm]) -> EmailContent:
    subject = _title(news[0])
    if len(news) > 1:
        subject = f"{subject}, and {len(news) - 1} more"
    paragraphs = [_paragraph(alarm) for alarm in news]
    url = settings.SITE_URL + settings.COCKPIT_URL
    return admin_messages.content(
        f"{brand.current().name}: {subject}",
        *paragraphs,
        f"The cockpit shows the present figures: {url}",
    )


def _title(alarm: Alarm) -> str:
    return f"over: {_rule(alarm).title}" if alarm.ended_at else _rule(alarm).title


def _paragraph(alarm: Alarm) -> str:
    rule, since = _rule(alarm), _time(alarm.started_at)
    if alarm.ended_at:
        return f"{rule.over} From {since} to {_time(alarm.ended_at)}: {alarm.sentence}"
    return f"{alarm.sentence} {rule.advice} More: docs/operations.md#{rule.name}"


def _text(news: Sequence[Alarm]) -> str:
    words = "; ".join(_title(alarm) for alarm in news)
    if len(news) == 1:
        [alarm] = news
        words = f"{words}. {_rule(alarm).over if alarm.ended_at else alarm.sentence}"
    whole = f"{brand.current().name}: {words}"
    return whole if len(whole) <= TEXT_LENGTH else whole[: TEXT_LENGTH - 3] + "..."


def _time(moment: object) -> str:
    local = timezone.localtime(moment)  # type: ignore[arg-type]
    return f"{local:%b} {local.day}, {local:%H:%M} {local:%Z}"


def _rule(alarm: Alarm) -> AlarmRule:
    return BY_NAME[alarm.name]
