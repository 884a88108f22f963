"""Limits of the text messages that one person's actions, or one company's repairs, cause an hour.

The month's budget pays for the text messages of all companies, so that one person must not spend
it. Above a limit no message is lost: it goes by e-mail and in the app.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import F, Min, Q, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from .models import Company, Profile, RepairEvent

WINDOW = timedelta(hours=1)


def reserve(event: RepairEvent, company: Company, people: int) -> bool:
    """Count text messages to so many people for the event; return False if a limit is reached."""
    # Actions at the same moment wait for each other here, and count what the others have reserved.
    Profile.objects.lock(event.actor)
    Company.objects.select_for_update(no_key=True).only("pk").get(pk=company.pk)
    if _reached_limit(event.actor, company, people):
        return False
    RepairEvent.objects.filter(pk=event.pk).update(texts=F("texts") + people)
    return True


def notice(by: Profile, company: Company) -> str:
    """Return the sentence for a person whose next action reaches a limit, or ""."""
    return _reached_limit(by, company, 1) if settings.SMS_ENABLED else ""


def _reached_limit(by: Profile, company: Company, people: int) -> str:
    """Return which limit text messages to so many more people would exceed, or ""."""
    mine, companys = Q(actor=by), Q(repair__unit__company=company)
    counted = RepairEvent.objects.filter(texts__gt=0, at__gt=timezone.now() - WINDOW).aggregate(
        mine=Sum("texts", filter=mine, default=0),
        companys=Sum("texts", filter=companys, default=0),
        first=Min("at", filter=mine | companys),
    )
    if counted["mine"] + people > (limit := settings.SMS_LIMIT_PER_PERSON_H):
        cause = gettext("Your actions")
    elif counted["companys"] + people > (limit := settings.SMS_LIMIT_PER_COMPANY_H):
        cause = gettext("The repairs of {company}").format(company=company.name)
    else:
        return ""
    end = timezone.localtime((counted["first"] or timezone.now()) + WINDOW)
    return gettext(
        "{cause} have reached the limit of {limit} text messages an hour. Until {end} people are "
        "told by e-mail and in the app instead."
    ).format(cause=cause, limit=limit, end=date_format(end, "HOUR"))
