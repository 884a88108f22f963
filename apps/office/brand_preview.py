"""A kind's sample e-mail in a brand that is not saved yet."""

import base64
import re
from typing import cast

from django.conf import settings
from django.http import HttpResponse
from django.utils.html import escape, format_html, format_html_join

from apps.core.message import brand, kinds, rendering
from apps.core.models import BrandLogo
from apps.core.states import Channel

from .brand_form import accent_notes, name_notes

#: An e-mail may neither run scripts nor load anything; the site's own page may frame it.
POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


def samples() -> list[tuple[str, str]]:
    """Return the kinds with their labels."""
    shown = ((kind.name, kind.label) for kind in kinds.REGISTRY.values())
    return sorted(shown, key=lambda each: each[1])


def show(kind_name: str, shown: brand.Brand, logo: BrandLogo | None, reader: str) -> HttpResponse:
    """Return the e-mail to a person of that name, as a document of its own."""
    kind = kinds.get(kind_name)
    words = rendering.words(kind.name, settings.LANGUAGE_CODE)
    content = cast(
        rendering.EmailContent,
        rendering.draft(kind, words, kind.sample, reader, shown, Channel.EMAIL),
    )
    html = content.html
    if logo:
        # It may not be stored yet, and a document in a sandbox has no site of its own.
        picture = base64.b64encode(bytes(logo.data)).decode()
        html = html.replace(escape(shown.logo_url), f"data:{logo.content_type};base64,{picture}")
    # A link would leave the preview. In a sandbox without new windows it leads nowhere.
    html = html.replace("<head>", '<head><base target="_blank">', 1)
    head = _head(shown, content.subject)
    html = re.sub(r"<body[^>]*>", lambda found: found[0] + head, html, count=1)
    return HttpResponse(html, headers={"Content-Security-Policy": POLICY})


def _head(shown: brand.Brand, subject: str) -> str:
    """Return what a mail program shows above an e-mail, and what becomes of the accent."""
    reply = f", answers to {shown.reply_to}" if shown.reply_to else ""
    notes = [*name_notes(shown), *accent_notes(shown)]
    facts = [f"From {shown.sender_name}{reply}", f"Subject: {subject}", *notes]
    return format_html(
        '<div style="padding:10px 14px;background:#ffffff;color:#17202a;font:13px/1.5 sans-serif;'
        'border-bottom:1px solid #d9dfe5">{}</div>',
        format_html_join("", "<div>{}</div>", ((fact,) for fact in facts)),
    )
