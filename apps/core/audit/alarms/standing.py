"""Say at any moment whether messages flow, and what is wrong if they do not."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.utils import timezone

from apps.core.models import Alarm, ChannelStop

from . import figures
from .measures import sentence_of
from .rules import BEAT_SILENT, BY_NAME, LIVE, STOP_RULES

#: Seconds for which a process keeps what it found for the strip of the staff's pages.
STRIP_S = 10
_KEY = "standing"


@dataclass(frozen=True)
class Problem:
    """Something that is wrong now. `is_grave`: some or all messages wait."""

    name: str
    title: str
    sentence: str
    since: datetime
    is_grave: bool


def problems(
    now: datetime,
    stops: Iterable[ChannelStop],
    ringing: Iterable[Alarm],
    silence: timedelta | None,
) -> list[Problem]:
    """Return what is wrong, the grave first, then the oldest.

    Stopped channels and a silent sweep are judged now: the first may have changed since the last
    evaluation, and without beat no task evaluates.
    """
    now_wrong = [_of_stop(stop) for stop in stops]
    beat = BEAT_SILENT.measure(figures.Figures(now=now, silence=silence))
    if beat and beat.is_wrong(already=False):
        assert silence is not None
        since = now - silence
        now_wrong.append(Problem(BEAT_SILENT.name, BEAT_SILENT.title, beat.sentence, since, True))
    kept = [_of_alarm(alarm) for alarm in ringing if alarm.name in BY_NAME.keys() - LIVE]
    return sorted([*now_wrong, *kept], key=lambda each: (not each.is_grave, each.since))


def strip() -> Problem | None:
    """Return the worst problem for the strip of the staff's pages; one short statement at most."""
    found: list[Problem] | None = cache.get(_KEY)
    if found is None:
        found = [_of_alarm(row) for row in Alarm.objects.ringing() if row.name in BY_NAME]
        found += problems(timezone.now(), [], [], figures.silence())
        found.sort(key=lambda each: (not each.is_grave, each.since))
        cache.set(_KEY, found, STRIP_S)
    return found[0] if found else None


def forget() -> None:
    """Have this process's strip ask again: a person has just changed something."""
    cache.delete(_KEY)


def _of_stop(stop: ChannelStop) -> Problem:
    rule = next(
        rule
        for rule in STOP_RULES
        if (wrong := rule.measure(figures.Figures(now=stop.since, stops=[stop]))) and wrong.value
    )
    return Problem(rule.name, rule.title, sentence_of(stop), stop.since, rule.is_grave)


def _of_alarm(alarm: Alarm) -> Problem:
    assert alarm.started_at is not None
    rule = BY_NAME[alarm.name]
    return Problem(rule.name, rule.title, alarm.sentence, alarm.started_at, rule.is_grave)
