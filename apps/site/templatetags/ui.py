"""Template tags and filters of every page."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BaseFormSet, BoundField, Form
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext

from apps.core import addresses
from apps.core.exceptions import UnknownKind
from apps.core.message import kinds, stored_words

register = template.Library()
register.filter("money", kinds.format_money)
register.filter("phone", addresses.shown)
# A label that is stored or logged is English until it is shown.
register.filter("tr", stored_words.translated)


@register.simple_tag
def when(moment: datetime | None) -> str:
    """Return a `<time>` with the distance from now and the date in the reader's zone."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return format_html(
        '<time class="when" datetime="{}" title="{}">'
        '<span class="when-ago">{}</span> <span class="when-date">{}</span></time>',
        local.isoformat(timespec="seconds"),
        date_format(local, "WHOLE_MOMENT"),
        _distance(moment, timezone.now()),
        date_format(local, _date_pattern(local)),
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return a drawing from `static/icons.svg`, hidden from screen readers."""
    return format_html(
        '<svg class="icon icon-{}" width="24" height="24" aria-hidden="true">'
        '<use href="{}#{}"></use></svg>',
        name,
        static("icons.svg"),
        name,
    )


@register.inclusion_tag("_error_summary.html")
def error_summary(*forms: Form | BaseFormSet) -> dict[str, Any]:
    """List all errors of the forms and formsets above them, each with a link to its field."""
    return {"problems": [problem for each in forms for problem in _problems(each)]}


@register.filter
def kind_label(name: str) -> str:
    """Return the label of a kind, or its name in words if it is no longer registered."""
    try:
        return gettext(kinds.get(name).label)
    except UnknownKind:
        return name.replace("_", " ").capitalize()


@register.filter
def hidden_initial(field: BoundField) -> SafeString:
    """Return what the page showed, for a field whose tags the template writes one by one."""
    return field.as_hidden(only_initial=True)


@register.filter
def duration(length: timedelta) -> str:
    """Return a length of time in words, as in "9 hours, 20 minutes"."""
    if length < timedelta(minutes=1):
        return gettext("less than a minute")
    now = timezone.now()
    return timesince(now - length, now)


def _problems(forms: Form | BaseFormSet) -> Iterator[dict[str, str]]:
    if isinstance(forms, BaseFormSet):
        for message in forms.non_form_errors():
            yield {"message": str(message)}
        several = len(forms) > 1
        for n, form in enumerate(forms, start=1):
            yield from _form_problems(form, gettext("Break {n}, ").format(n=n) if several else "")
    else:
        yield from _form_problems(forms)


def _form_problems(form: Form, prefix: str = "") -> Iterator[dict[str, str]]:
    for name, messages in form.errors.items():
        for message in messages:
            if name == NON_FIELD_ERRORS:
                yield {"message": str(message)}
                continue
            field = form[name]
            # A group of radio buttons has no id of its own: link to its first button.
            target = field.id_for_label or f"{field.auto_id}_0"
            label = f"{prefix}{field.label}{'' if str(field.label).endswith('?') else ':'}"
            yield {"message": f"{label} {message}", "target": target}


def _distance(moment: datetime, now: datetime) -> str:
    if abs(now - moment) < timedelta(minutes=1):
        return gettext("just now")
    if moment > now:
        return gettext("in {distance}").format(distance=timeuntil(moment, now, depth=1))
    return gettext("{distance} ago").format(distance=timesince(moment, now, depth=1))


def _date_pattern(local: datetime) -> str:
    this_year = timezone.localtime().year
    return "MOMENT" if local.year == this_year else "MOMENT_AND_YEAR"
