"""E-mail the administrator what nightly tasks found, such as counts of AWS that differ from ours.

What needs a person at once is an alarm: apps/core/audit/alarms/.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models.functions import Now

from apps.core.message import brand
from apps.core.message.rendering import EmailContent
from apps.core.models import Mark

from . import admin_messages
from .findings import Difference, Status

#: How long the same differences are not mailed again: a little less than a day and a week, so that
#: a run that comes early still mails.
FAIL_AGAIN, WARN_AGAIN = timedelta(hours=20), timedelta(days=6, hours=20)
#: How long a worker's claim on an alert lasts: longer than a task can run.
CLAIM = timedelta(minutes=10)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def send_differences(differences: Sequence[Difference]) -> None:
    """Tell the administrator which of AWS's counts differ from our records.

    Failures once a night; the same warnings without a failure once a week.
    """
    if not differences:
        return
    is_bad = any(each.finding.status == Status.FAIL for each in differences)
    name = f"differences: {' '.join(each.id for each in differences)}"
    pause = FAIL_AGAIN if is_bad else WARN_AGAIN
    send_once(name, pause, lambda: _differing(differences))


def send_once(name: str, pause: timedelta, write: Callable[[], EmailContent]) -> None:
    """E-mail the administrator, unless the alert of this name was sent within `pause`.

    A worker that dies leaves its claim to expire. If the outcome is unknown the alert counts as
    unsent: one e-mail too many is better than none.
    """
    sent, _ = Mark.objects.get_or_create(name=name, defaults={"at": _LONG_AGO})
    due = Mark.objects.filter(pk=sent.pk, at__lt=Now() - pause)
    mark, _ = Mark.objects.get_or_create(name=f"telling {name}", defaults={"at": _LONG_AGO})
    claim = Mark.objects.filter(pk=mark.pk)
    if not claim.filter(at__lt=Now() - CLAIM).update(at=Now()):
        return
    if due.exists() and admin_messages.send_email(write()):
        due.update(at=Now())
    claim.update(at=_LONG_AGO)


def _differing(differences: Sequence[Difference]) -> EmailContent:
    return admin_messages.content(
        f"{brand.current().name}: AWS's counts differ from our records",
        *(
            f"{each.id} ({each.finding.status}): {each.finding.found}. {each.finding.do}"
            for each in differences
        ),
        "`manage.py aws reconcile` compares again; docs/aws.md says what each check compares. "
        "Failures are mailed each night, a warning that stays once a week.",
    )
