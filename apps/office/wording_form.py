"""The form in which the office writes the words of a message: a field for each part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField

from apps.core.message.parts import FORM, Form, Part
from apps.core.message.safe import LONGEST
from apps.core.message.wording import Wording
from apps.core.services.wording_check import Finding

LABELS: dict[Part, tuple[str, str]] = {
    Part.TITLE: ("Title", "In the app, and above the e-mail."),
    Part.TEXT: ("Text in the app", "One or two sentences."),
    Part.SUBJECT: ("E-mail: subject", "State and unit first; phones show about 40 characters."),
    Part.PREHEADER: ("E-mail: beside the subject", "The next step and the amount."),
    Part.STATE: ("E-mail: state", "The word above the title, as in “Approved”."),
    Part.SENTENCE: (
        "E-mail: sentence",
        "Without it the text in the app is used. You can write <b>, <i>, <a>, <p>, <br>, <ul>, "
        "<ol> and <li>.",
    ),
    Part.NOTE: (
        "E-mail: quotation",
        "What a person wrote, and on the last line who. It is left out if they wrote nothing.",
    ),
    Part.FACTS: ("E-mail: facts", "“Label: value” on each line; one without a value is left out."),
    Part.ACTION: ("E-mail: button", "What to do."),
    Part.SMS: ("Text message", "160 characters are one part; end with {{ action_url }}."),
    Part.WHY: ("E-mail: why they get it", "Ends the sentence “You get this message …”."),
}
_ROWS = {Form.LINE: 2, Form.TEXT: 4, Form.HTML: 6, Form.NOTE: 3, Form.FACTS: 7}


@dataclass(frozen=True)
class PartField:
    """A part as the page shows it."""

    name: str
    field: BoundField
    #: The words of the file.
    file: str
    is_changed: bool
    findings: Sequence[Finding]

    @property
    def is_wrong(self) -> bool:
        return any(each.refuses for each in self.findings)


class WordingForm(forms.Form):
    """The parts, why they are changed, and the revision that the person saw."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Why do you change it?",
        max_length=500,
        help_text="For your colleagues; it stays in the history.",
    )

    def __init__(
        self, data: Any = None, *, file: Wording, is_saved: bool = True, **options: Any
    ) -> None:
        super().__init__(data, **options)
        self._file = file
        # What is not saved, as for a check, needs no reason.
        self.fields["reason"].required = is_saved
        for part, (label, help_text) in LABELS.items():
            self.fields[part] = forms.CharField(
                label=label,
                help_text=help_text,
                required=False,
                strip=False,
                max_length=LONGEST[FORM[part]],
                widget=forms.Textarea(
                    attrs={
                        "rows": 4 if part == Part.SMS else _ROWS[FORM[part]],
                        "data-part": part.value,
                        "lang": file.language,
                        "placeholder": file.parts.get(part, ""),
                        "spellcheck": "true",
                    }
                ),
            )

    def overrides(self) -> dict[Part, str]:
        """Return the parts that differ from the file, without white space around them."""
        written = {part: _clean(self.data.get(part, "")) for part in LABELS}
        return {
            part: text for part, text in written.items() if text != self._file.parts.get(part, "")
        }

    def parts(self, findings: Sequence[Finding] = ()) -> list[PartField]:
        return [self._part(part, findings) for part in LABELS]

    def _part(self, part: Part, findings: Sequence[Finding]) -> PartField:
        file = self._file.parts.get(part, "")
        field = self[part]
        return PartField(
            part.value,
            field,
            file,
            _clean(field.value() or "") != file,
            [each for each in findings if each.part == part],
        )


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
