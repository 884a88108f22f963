"""Template filters and tags for message templates, besides Django's own."""

from django import template
from django.utils.html import format_html

from .kinds import format_money

register = template.Library()


register.filter("money", format_money)


@register.simple_tag(takes_context=True)
def fact(context: template.Context, label: str, value: object) -> str:
    """Render one labelled value: a row of the e-mail's table, or a line of its plain text."""
    if not context.autoescape:
        return f"{label}: {value}\n"
    return format_html(
        '<tr><td class="muted" style="padding:6px 16px 6px 0;color:#5b6673;white-space:nowrap;'
        'vertical-align:top">{}</td>'
        '<td class="ink" style="padding:6px 0;color:#17202a;font-weight:600">{}</td></tr>',
        label,
        value,
    )


@register.simple_tag(takes_context=True)
def office_phone(context: template.Context) -> str:
    """Render the office's phone number as a fact, in HTML as a link to call it; "" if unset."""
    brand = context["brand"]
    if not brand.phone:
        return ""
    if not context.autoescape:
        return fact(context, "Office", brand.phone)
    # The ink, since the accent is too dark a colour for a link in dark mode.
    link = format_html(
        '<a class="ink" style="color:#17202a" href="tel:{}">{}</a>', brand.tel, brand.phone
    )
    return fact(context, "Office", link)
