"""One message as it was sent: its words, brand and language of that time."""

import uuid
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from apps.core.exceptions import InvalidContext, UnknownKind
from apps.core.message import kinds, rendering, wording
from apps.core.message.rendering import EmailContent
from apps.core.models import Delivery, Notification
from apps.core.states import SENT, Channel, DeliveryState
from apps.site.office import office_only
from apps.site.sign_in import SignedInRequest

from .. import preview, shapes
from ..preview import Scheme
from ..shapes import EMAILS, Shape

SEE = "core.view_notification"
#: States in which the provider has the message, or may have it.
LEFT = SENT | {DeliveryState.UNKNOWN}


@office_only(SEE)
@require_safe
def show(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """Show a message with the version of its words; codes are masked."""
    delivery = _find(pk)
    notification = delivery.notification
    found = wording.find(notification.wording)
    context = {
        "delivery": delivery,
        "recipient": notification.recipient,
        "kind": kinds.REGISTRY.get(notification.kind),
        "was_sent": delivery.state in LEFT,
        "is_digest": delivery.digest_id is not None and _carried(delivery) > 1,
        "version": _version(notification, found),
        "of_language": found.language if found else "",
        "shape": shapes.read(request.GET.get("shape")),
        "shapes": [*EMAILS, Shape.PLAIN],
        **_words(delivery),
    }
    return render(request, "office/sent.html", context)


@office_only(SEE)
@require_safe
def frame(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """Return the e-mail's HTML for the frame of the page."""
    words = _words(_find(pk)).get("words")
    if not isinstance(words, EmailContent):
        raise Http404
    is_dark = shapes.read(request.GET.get("shape")) == Shape.DARK
    return preview.framed(words.html, Scheme.DARK if is_dark else Scheme.LIGHT)


def _find(pk: uuid.UUID) -> Delivery:
    rows = Delivery.objects.select_related("notification__recipient__contact", "digest")
    return get_object_or_404(rows, pk=pk)


def _words(delivery: Delivery) -> dict[str, Any]:
    try:
        return {"words": rendering.as_sent(delivery.notification, Channel(delivery.channel))}
    except (InvalidContext, UnknownKind):
        return {"problem": "Its words were erased, or are of a kind that no longer exists."}


def _carried(delivery: Delivery) -> int:
    return Delivery.objects.filter(digest=delivery.digest_id).count()


def _version(notification: Notification, found: wording.Wording | None) -> str:
    if not notification.wording:
        return "Not kept: it is older than the versions. Shown in the present words."
    if found is None:
        return "Unknown. Shown in the present words."
    return f"Version {found.number}" if found.number else "The original words"
