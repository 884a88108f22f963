"""Template tags and filters of every page."""

from datetime import datetime, timedelta

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

from apps.core.exceptions import UnknownKind
from apps.core.message import kinds

register = template.Library()
register.filter("money", kinds.format_money)


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
        date_format(local, "l, F j, Y, g:i A T"),
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


@register.filter
def kind_label(name: str) -> str:
    """Return the label of a kind, or its name in words if it is no longer registered."""
    try:
        return kinds.get(name).label
    except UnknownKind:
        return name.replace("_", " ").capitalize()


def _distance(moment: datetime, now: datetime) -> str:
    if abs(now - moment) < timedelta(minutes=1):
        return "just now"
    if moment > now:
        return f"in {timeuntil(moment, now, depth=1)}"
    return f"{timesince(moment, now, depth=1)} ago"


def _date_pattern(local: datetime) -> str:
    this_year = timezone.localtime().year
    return "M j, g:i A" if local.year == this_year else "M j, Y, g:i A"
