"""The editor of a message's words: save, check, publish, discard, go back."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.core.message import kinds, wording
from apps.core.message.parts import Part
from apps.core.message.user_text import clean_line
from apps.core.models import WordingVersion
from apps.core.services import wording as service
from apps.core.services import wording_check
from apps.core.services.wording import Conflict, InUse, Unpublishable
from apps.core.services.wording_check import Report
from apps.site.office import may, office_only
from apps.site.sign_in import SignedInRequest

from .. import shapes, wordings
from ..wording_form import WordingForm
from .wordings import CHANGE, SECONDS, SEE, check_address

OK, CONFLICT, UNPROCESSABLE = 200, 409, 422
IN_USE = "These words are in use already. Nothing was changed."


@office_only(SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest, kind: str, language: str) -> HttpResponse:
    """Show the editor, or do what its button says."""
    check_address(kind, language)
    editor = Editor(request, kind, language)
    if request.method != "POST":
        return editor.show()
    editor.check_permission()
    if part := request.POST.get("reset"):
        return editor.reset(part)
    actions = {"save": editor.save, "publish": editor.publish, "discard": editor.discard}
    return actions.get(request.POST.get("do", ""), editor.check)()


@office_only(CHANGE)
@require_POST
def again(request: SignedInRequest, kind: str, language: str, number: int) -> HttpResponse:
    """Publish an earlier version again, or go back to the file (0)."""
    check_address(kind, language)
    why = clean_line(request.POST.get("why", ""))[:500]
    here = redirect("office:wording", kind, language)
    if not why:
        messages.error(request, "Write why, for your colleagues. Nothing was changed.")
        return here
    try:
        row = service.publish_again(kind, language, number, why=why, by=request.user)
    except WordingVersion.DoesNotExist as error:
        raise Http404 from error
    except InUse:
        messages.info(request, IN_USE)
    except Conflict:
        messages.error(request, "Somebody else published just now. Look at it, then try again.")
    except Unpublishable as refused:
        messages.error(request, f"Version {number} no longer fits: {refused}")
    else:
        messages.success(request, _published(row))
    return here


class Editor:
    """The page for one kind and language, in one request."""

    def __init__(self, request: SignedInRequest, kind: str, language: str) -> None:
        self.request, self.kind, self.language = request, kind, language
        self.file = wording.of_file(kind, language)
        self._look()

    def _look(self) -> None:
        self.draft = service.draft(self.kind, self.language)
        self.published = service.published(self.kind, self.language)

    def check_permission(self) -> None:
        if not may(self.request.user, CHANGE):
            raise PermissionDenied("You may look at the words of messages, not change them.")

    def show(self) -> HttpResponse:
        shown = self.draft or self.published
        overrides = shown.overrides if shown else {}
        report = self._report(overrides) if self.draft else None
        return self._page(self._form(overrides, self.draft.why if self.draft else ""), report)

    def reset(self, part: str) -> HttpResponse:
        """Show the form with one part as delivered; nothing is saved."""
        given = self.request.POST.copy()
        if part in set(Part):
            given[part] = self.file.parts.get(Part(part), "")
        return self._page(WordingForm(given, file=self.file, is_saved=False))

    def check(self) -> HttpResponse:
        form = self._given(is_saved=False)
        return self._page(form, self._report(form.overrides()))

    def save(self) -> HttpResponse:
        form = self._given()
        if not form.is_valid():
            return self._page(form, status=UNPROCESSABLE)
        try:
            self._save(form)
        except Conflict:
            return self._conflict(form)
        messages.success(self.request, "The draft is saved. It is not in use yet.")
        return self._here()

    def publish(self) -> HttpResponse:
        """Save what was written, and publish it if the check allows it."""
        form = self._given()
        if not form.is_valid():
            return self._page(form, status=UNPROCESSABLE)
        words = service.complete(self.kind, self.language, form.overrides())
        if not self.draft and words == wording_check.in_use(self.kind, self.language):
            messages.info(self.request, IN_USE)
            return self._here()
        try:
            draft = self._save(form)
            # Publish what was just saved, and not what another person may have saved since.
            seen = service.revision(draft, draft.based_on)
            row = service.publish(self.kind, self.language, by=self.request.user, seen=seen)
        except Conflict:
            return self._conflict(form)
        except Unpublishable as refused:
            self._look()
            form = self._form(form.overrides(), form.cleaned_data["reason"])
            return self._page(form, refused.report, status=UNPROCESSABLE)
        messages.success(self.request, _published(row))
        return self._here()

    def discard(self) -> HttpResponse:
        seen = self.request.POST.get("seen", "")
        try:
            service.discard(self.kind, self.language, by=self.request.user, seen=seen)
        except Conflict:
            return self._conflict(self._given())
        messages.success(self.request, "The draft is set aside. It stays in the history.")
        return self._here()

    def _save(self, form: WordingForm) -> WordingVersion:
        return service.save(
            self.kind,
            self.language,
            form.overrides(),
            why=form.cleaned_data["reason"],
            by=self.request.user,
            seen=form.cleaned_data["seen"],
        )

    def _conflict(self, form: WordingForm) -> HttpResponse:
        """Show what another person saved beside what was written, which the form keeps."""
        self._look()
        given = self.request.POST.copy()
        given["seen"] = service.revision(self.draft, self.published)
        theirs = self.draft or self.published
        mine = {**self.file.parts, **form.overrides()}
        differences = wordings.part_differences(
            {**self.file.parts, **(theirs.overrides if theirs else {})}, mine
        )
        return self._page(
            WordingForm(given, file=self.file),
            status=CONFLICT,
            conflict=True,
            theirs=theirs,
            theirs_by=wordings.name_of(theirs.made_by) if theirs else "",
            differences=differences,
        )

    def _given(self, *, is_saved: bool = True) -> WordingForm:
        return WordingForm(self.request.POST, file=self.file, is_saved=is_saved)

    def _form(self, overrides: Any, reason: str) -> WordingForm:
        seen = service.revision(self.draft, self.published)
        parts = {**self.file.parts, **overrides}
        return WordingForm(file=self.file, initial={**parts, "reason": reason, "seen": seen})

    def _report(self, overrides: Any) -> Report:
        return wording_check.check(service.complete(self.kind, self.language, overrides))

    def _here(self) -> HttpResponse:
        return redirect("office:wording", self.kind, self.language)

    def _page(
        self, form: WordingForm, report: Report | None = None, status: int = OK, **more: Any
    ) -> HttpResponse:
        kind = kinds.worded()[self.kind]
        context = {
            "kind": kind,
            # Not "language": the base template has that for the page itself.
            "of_language": self.language,
            "languages": settings.LANGUAGES,
            "draft": self.draft,
            "current": self.published,
            "form": form,
            "parts": form.parts(report.findings if report else ()),
            "report": report,
            "findings": wordings.labeled(report.findings) if report else [],
            "change": wordings.change(self.kind, report) if report else None,
            "variables": wordings.variables_of(kind),
            "history": wordings.history(service.history(self.kind, self.language)),
            "shapes": shapes.of(kind),
            "may_change": may(self.request.user, CHANGE),
            "seconds": SECONDS,
            **more,
        }
        return render(self.request, "office/wording.html", context, status=status)


def _published(row: WordingVersion) -> str:
    what = (
        f"The words of version {row.number} are published"
        if row.overrides
        else "The original words are back"
    )
    return f"{what}. They are in use everywhere within {SECONDS} seconds."
