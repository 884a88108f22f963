"""Have the provider refuse every text, and count how often the administrator hears of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaos.run import Run

NAME, TITLE = "sms-stopped", "text messages are stopped"
#: Seconds that the outage lasts: several evaluations, and a probe that is refused.
OUTAGE_S = 20.0


def refuse_texts(run: Run) -> None:
    """Refuse every text until the alarm has rung for a while."""
    from apps.core.models import Alarm  # needs the settings

    run.wait(2)
    run.rig.sandbox.rule(channel="sms", answer="paused")
    run.until(lambda: Alarm.objects.filter(name=NAME).exists(), "the alarm rings")
    run.wait(OUTAGE_S)
    run.end_rules()


def check(run: Run) -> None:
    """Check that the alarm rang once and was told once of each, and that nothing rings."""
    from apps.core.models import Alarm  # needs the settings

    def is_over() -> bool:
        return not Alarm.objects.filter(name=NAME, end_mailed_at=None).exists()

    run.until(is_over, "the end of the alarm is told")
    mails = run.rig.sandbox.messages(kind="email")
    starts, ends = count_told(mail["subject"] for mail in mails)
    alarms = Alarm.objects.filter(name=NAME).count()
    figures: dict[str, Any] = {"alarms": alarms, "told_starts": starts, "told_ends": ends}
    run.note(figures, find_problems(alarms, starts, ends))


def count_told(subjects: Iterable[str]) -> tuple[int, int]:
    """Return how many e-mails told the start of the alarm, and how many its end."""
    ours = [subject for subject in subjects if TITLE in subject]
    ends = sum(f"over: {TITLE}" in subject for subject in ours)
    return len(ours) - ends, ends


def find_problems(alarms: int, starts: int, ends: int) -> list[str]:
    """Return what is wrong: the alarm must ring once, and be told once of each."""
    if (alarms, starts, ends) == (1, 1, 1):
        return []
    return [f"the alarm rang {alarms} times; {starts} starts and {ends} ends were told"]
