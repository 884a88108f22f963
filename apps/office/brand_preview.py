"""A kind's sample e-mail in a brand that is not saved yet."""

import base64
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.utils.html import format_html, format_html_join

from apps.core.message import brand, kinds, rendering
from apps.core.models import BrandLogo, Notification

from .brand_form import accent_notes

#: An e-mail may neither run scripts nor load anything; the site's own page may frame it.
POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


def samples() -> list[tuple[str, str]]:
    """Return the kinds that can be shown, with their labels. Those with secrets need a real row."""
    shown = [kind for kind in kinds.REGISTRY.values() if not kind.secrets]
    return sorted(((kind.name, kind.label) for kind in shown), key=lambda each: each[1])


def show(kind_name: str, shown: brand.Brand, logo: BrandLogo | None, reader: Any) -> HttpResponse:
    """Return the e-mail as a document of its own, as `reader` would get it."""
    kind = kinds.get(kind_name)
    sample = Notification(
        recipient=reader,
        kind=kind.name,
        category=kind.category.name,
        context=kind.sample.model_dump(mode="json"),
        action_url="/",
    )
    if logo:
        # It is not stored yet, and a document in a sandbox has no site of its own.
        picture = base64.b64encode(bytes(logo.data)).decode()
        shown = replace(shown, logo_url=f"data:{logo.content_type};base64,{picture}")
    content = rendering.email(sample, shown)
    # A link would leave the preview. In a sandbox without new windows it leads nowhere.
    html = content.html.replace("<head>", '<head>\n<base target="_blank">', 1)
    html = html.replace("</body>", f"{_about(shown, content.subject)}</body>", 1)
    response = HttpResponse(html)
    response["Content-Security-Policy"] = POLICY
    return response


def _about(shown: brand.Brand, subject: str) -> str:
    reply = f", answers to {shown.reply_to}" if shown.reply_to else ""
    facts = [f"From {shown.sender_name}{reply}", f"Subject: {subject}", *accent_notes(shown)]
    return format_html(
        '<ul style="margin:0;padding:12px 12px 12px 28px;background:#ffffff;color:#17202a;'
        'border-top:1px solid #d9dfe5;font-size:13px;line-height:1.5">{}</ul>',
        format_html_join("", "<li>{}</li>", ((fact,) for fact in facts)),
    )
