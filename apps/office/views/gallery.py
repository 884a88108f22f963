"""The gallery of all messages, and sending oneself a sample."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.core.message import rendering
from apps.core.message.kinds import NotificationKind
from apps.core.models import Contact
from apps.core.services import sample_message, wording_check
from apps.core.services.sample_message import NotPossible
from apps.core.services.wording_shadow import Words, render_sample
from apps.core.states import Channel
from apps.site.office import office_only
from apps.site.sign_in import SignedInRequest

from .. import shapes, volume, wordings
from ..shapes import EMAILS
from .wordings import SEE, check_address


@dataclass(frozen=True)
class Item:
    """A kind in the gallery. `texts` and `cost` are those of the last 30 days."""

    kind: NotificationKind
    words: Words
    shapes: list[shapes.Shape]
    texts: int
    cost: Decimal
    #: The channels by which the person can send themselves the sample.
    ways: list[Channel]


@office_only(SEE)
@require_safe
def show(request: SignedInRequest) -> HttpResponse:
    """Show every kind in one language; e-mails in the chosen shape."""
    codes = dict(settings.LANGUAGES)
    chosen = request.GET.get("language", "")
    language = chosen if chosen in codes else settings.LANGUAGE_CODE
    shape = shapes.read(request.GET.get("shape"))
    contact = Contact.objects.filter(user=request.user).first()
    texts = volume.texts_by_kind()
    context = {
        # Not "language": the base template has that for the page itself.
        "of_language": language,
        "languages": settings.LANGUAGES,
        "shape": shape if shape in EMAILS else EMAILS[0],
        "shapes": EMAILS,
        "categories": [
            (label, [_item(kind, language, texts.get(kind.name, 0), contact) for kind in its])
            for label, its in wordings.kinds_by_category()
        ],
    }
    return render(request, "office/gallery.html", context)


@office_only(SEE)
@require_POST
def send(request: SignedInRequest, kind: str, language: str) -> HttpResponse:
    """Send the sample to the verified address of the person who asks, and to no one else."""
    check_address(kind, language)
    if (channel := request.POST.get("channel")) not in Channel.values:
        raise Http404
    words = wording_check.in_use(kind, language)
    try:
        sample_message.send(words, Channel(channel), to=request.user)
    except NotPossible as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, "The sample is on its way to you.")
    return redirect(f"{reverse('office:gallery')}?language={language}#{kind}")


def _item(kind: NotificationKind, language: str, texts: int, contact: Any) -> Item:
    words = render_sample(rendering.words(kind.name, language))
    ways = [each for each in Channel if contact and contact.is_verified(each)]
    return Item(
        kind,
        words,
        shapes.of(kind),
        texts,
        volume.price(texts, words.parts),
        [each for each in ways if each not in kind.forbidden]
        if sample_message.is_possible(kind)
        else [],
    )
