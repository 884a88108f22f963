"""Judge the figures by the rules: open the alarms that start, and end those that are over.

Any number of processes may do so at once: a constraint allows one open alarm per name, and each
step is a conditional UPDATE.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from apps.core.models import Alarm

from .figures import Figures, collect, stops
from .measures import Measured
from .rules import BY_NAME, RULES, STOP_RULES, AlarmRule

logger = logging.getLogger(__name__)


def evaluate() -> None:
    """Judge everything now. Takes a second."""
    figures = collect()
    apply(RULES, figures)
    # Alarms of an earlier version of the code: it had other names.
    for alarm in Alarm.objects.filter(ended_at=None).exclude(name__in=BY_NAME.keys()):
        _end(alarm, figures.now)


def evaluate_stops(now: datetime) -> None:
    """Judge the stopped channels alone, at once after a person's action."""
    apply(STOP_RULES, Figures(now=now, stops=stops()))


def apply(rules: Iterable[AlarmRule], figures: Figures) -> None:
    """Open, keep or end the alarm of each of these rules."""
    open_alarms = {row.name: row for row in Alarm.objects.filter(ended_at=None)}
    for rule in rules:
        try:
            measured = rule.measure(figures)
        except Exception:
            # A bug in one rule must not silence the others.
            logger.exception("alarm %s not judged", rule.name)
            continue
        if measured is not None:
            _judge(rule, measured, open_alarms.get(rule.name), figures.now)


def _judge(rule: AlarmRule, measured: Measured, alarm: Alarm | None, now: datetime) -> None:
    is_ringing = alarm is not None and alarm.started_at is not None
    if measured.is_wrong(already=is_ringing):
        _keep(rule, measured, alarm, now)
    elif alarm is not None:
        _end(alarm, now)


def _keep(rule: AlarmRule, measured: Measured, alarm: Alarm | None, now: datetime) -> None:
    newest = {"value": measured.value, "sentence": measured.sentence[:500]}
    if alarm is None:
        alarm, _ = Alarm.objects.get_or_create(
            name=rule.name, ended_at=None, defaults={"seen_at": now, **newest}
        )
    this = Alarm.objects.filter(pk=alarm.pk, ended_at=None)
    this.update(**newest)
    if now - alarm.seen_at >= rule.after and this.filter(started_at=None).update(started_at=now):
        logger.error("alarm %s: %s %s", rule.name, rule.title, measured.sentence)


def _end(alarm: Alarm, now: datetime) -> None:
    this = Alarm.objects.filter(pk=alarm.pk, ended_at=None)
    if this.filter(started_at__isnull=False).update(ended_at=now):
        logger.warning("alarm %s is over", alarm.name)
    else:
        this.filter(started_at=None).delete()
