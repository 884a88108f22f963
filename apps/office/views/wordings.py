"""The office's pages about the words of messages: the list and the previews."""

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from apps.core.message import kinds, wording
from apps.core.message.wording import Wording
from apps.core.services import wording as service
from apps.core.services import wording_check
from apps.core.services.wording_shadow import render_sample
from apps.site.office import office_only
from apps.site.sign_in import SignedInRequest

from .. import shapes, wordings
from ..wording_form import WordingForm

SEE, CHANGE = "core.view_wordingversion", "core.change_wordingversion"
#: Seconds until every process uses what was published, as the pages say it.
SECONDS = round(wording.CACHED_S)


@office_only(SEE)
@require_safe
def everything(request: SignedInRequest) -> HttpResponse:
    """List every kind with the state of its words in each language."""
    context = {"categories": wordings.by_category(), "seconds": SECONDS}
    return render(request, "office/wordings.html", context)


@office_only(SEE)
@require_safe
def frame(request: SignedInRequest, kind: str, language: str, shape: str) -> HttpResponse:
    """Return the sample in the words that are in use, or in the draft, for a frame."""
    check_address(kind, language)
    words = wording_check.in_use(kind, language)
    draft = service.draft(kind, language) if "draft" in request.GET else None
    if draft:
        words = service.complete(kind, language, draft.overrides)
    return _frame(request, words, shape)


@office_only(SEE)
@require_POST
def preview(request: SignedInRequest, kind: str, language: str) -> HttpResponse:
    """Return the sample in the words that are being written, for a frame. Nothing is saved."""
    check_address(kind, language)
    form = WordingForm(request.POST, file=wording.of_file(kind, language))
    words = service.complete(kind, language, form.overrides())
    return _frame(request, words, request.POST.get("show"))


def check_address(kind: str, language: str) -> None:
    """Raise Http404 unless such a kind is worded in this language."""
    if kind not in kinds.worded() or language not in dict(settings.LANGUAGES):
        raise Http404


def _frame(request: SignedInRequest, words: Wording, shape: str | None) -> HttpResponse:
    if broken := wording_check.problems(words):
        sentences = [f"{label}: {each.message}" for label, each in wordings.labeled(broken)]
        return shapes.framed_problem(request, sentences)
    return shapes.framed_words(request, render_sample(words), shapes.read(shape), words.language)
