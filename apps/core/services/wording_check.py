"""Check the words of a kind of message before they take effect, and show what they would change.

The words are rendered with the kind's sample, and with its newest real notifications: the shadow.
Nothing is stored or sent.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import get_language_info

from apps.core.message import kinds, safe, segments, wording
from apps.core.message.parts import FORM, Form, Part
from apps.core.message.safe import TemplateProblem
from apps.core.message.wording import Wording
from apps.core.models import WordingVersion
from apps.core.models.wording import WordingState

from .wording_shadow import LONGEST_SUBJECT, Shadow, Words, cast_shadow, render_sample

_LINK = re.compile(r"https?://\S+")
_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
_TAGS = re.compile(r"\{%.*?%\}|\{#.*?#\}")


@dataclass(frozen=True)
class Finding:
    """What is wrong with a part, or with the message (None); `line` is 0 if it is about no line."""

    part: Part | None
    message: str
    line: int = 0
    #: It must be fixed before the words can take effect.
    refuses: bool = True


@dataclass(frozen=True)
class Report:
    findings: tuple[Finding, ...]
    #: The sample in the words that are in effect, and in these; None if these cannot be rendered.
    before: Words | None = None
    after: Words | None = None
    shadow: Shadow | None = None

    @property
    def refusals(self) -> list[Finding]:
        return [each for each in self.findings if each.refuses]


def in_use(kind: str, language: str) -> Wording:
    """Return the words that are in effect, without the cache of `wording.current`.

    The file's are while the published ones do not fit the present code, as in messages.
    """
    rows = WordingVersion.objects.filter(kind=kind, language=language)
    row = rows.filter(state=WordingState.PUBLISHED).first()
    published = row and Wording.of(kind, language, row.number, row.parts)
    if published and not problems(published):
        return published
    return wording.of_file(kind, language)


def problems(words: Wording) -> list[Finding]:
    """Return why the words cannot be rendered at all."""
    kind = kinds.worded()[words.kind]
    found = []
    for part in kinds.required_parts(kind.name):
        if not words.parts.get(part, "").strip():
            found.append(Finding(part, "It must not be empty."))
    for part, source in words.parts.items():
        try:
            safe.compile_part(kind, part, source)
        except TemplateProblem as problem:
            found.append(Finding(part, problem.message, problem.line))
    return list(_ordered(found))


def check(words: Wording) -> Report:
    """Return what is wrong with the words, and what they would change."""
    form = [each for part, source in words.parts.items() for each in _form_findings(part, source)]
    if broken := problems(words):
        return Report(_ordered([*broken, *form]))
    file = wording.of_file(words.kind, words.language)
    current = in_use(words.kind, words.language)
    before, after = render_sample(current), render_sample(words)
    shadow = cast_shadow(file, current, words)
    findings = [
        *form,
        *_sample_findings(after, render_sample(file)),
        *_shadow_findings(shadow),
        *_language_findings(words, file),
    ]
    return Report(_ordered(findings), before, after, shadow)


def _ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    order = [None, *Part]
    return tuple(sorted(findings, key=lambda each: (order.index(each.part), each.line)))


def _form_findings(part: Part, source: str) -> Iterator[Finding]:
    lines = source.strip().split("\n")
    if FORM[part] == Form.LINE and len(lines) > 1:
        yield Finding(part, "It must be one line. Join the lines.", 2)
    if FORM[part] == Form.FACTS:
        for number, line in enumerate(lines, start=1):
            shown = _TAGS.sub("", line)
            if shown.strip() and ": " not in shown:
                yield Finding(part, "Write “Label: value”, with a space after the colon.", number)
    if FORM[part] == Form.NOTE and source.strip() and len(lines) < 2:
        yield Finding(part, "Write on a second line who wrote the words.", 1)
    if part == Part.SMS:
        yield from _character_findings(lines)


def _character_findings(lines: list[str]) -> Iterator[Finding]:
    for number, line in enumerate(lines, start=1):
        # Template code keeps its length, so positions stay right.
        text = _CODE.sub(lambda code: " " * len(code[0]), line)
        for place, char in enumerate(text, start=1):
            if not segments.is_gsm(segments.to_gsm(char)):
                name = unicodedata.name(char, f"U+{ord(char):04X}").lower()
                yield Finding(
                    Part.SMS,
                    f"“{char}” ({name}, character {place}) is not in the alphabet of text "
                    "messages: a part would have 70 characters instead of 160. Use another one.",
                    number,
                )


def _sample_findings(words: Words, file: Words) -> Iterator[Finding]:
    if len(words.subject) > LONGEST_SUBJECT:
        yield Finding(
            Part.SUBJECT,
            f"The sample's subject has {len(words.subject)} characters; at most "
            f"{LONGEST_SUBJECT} are allowed, and phones show about 40.",
        )
    if words.parts > max(1, file.parts):
        yield Finding(
            Part.SMS,
            f"The sample takes {words.parts} parts ({words.segments.units} characters); the "
            f"original takes {file.parts}. Each part costs as much as a message: shorten it.",
        )
    if _LINK.search(file.sms) and not _LINK.search(words.sms):
        yield Finding(Part.SMS, "The link is missing. Add {{ action_url }}.")


def _shadow_findings(shadow: Shadow) -> Iterator[Finding]:
    of_all = f"of the last {shadow.seen} real messages"
    if shadow.failures:
        first = shadow.failures[0]
        yield Finding(None, f"It fails for {len(shadow.failures)} {of_all}: {first}")
    if shadow.long_subjects:
        yield Finding(
            Part.SUBJECT,
            f"{shadow.long_subjects} {of_all} would have a subject of more than "
            f"{LONGEST_SUBJECT} characters.",
            refuses=False,
        )
    if shadow.longer_texts:
        yield Finding(
            Part.SMS,
            f"{shadow.longer_texts} {of_all} would take more parts than the original.",
            refuses=False,
        )


def _language_findings(words: Wording, file: Wording) -> Iterator[Finding]:
    names = {code: get_language_info(code)["name"] for code, _ in settings.LANGUAGES}
    changed = {part for part, source in words.parts.items() if source != file.parts.get(part)}
    states = (WordingState.PUBLISHED, WordingState.DRAFT)
    others = WordingVersion.objects.filter(kind=words.kind, state__in=states)
    done: dict[str, set[str]] = {code: set() for code in names if code != words.language}
    for row in others:
        done.get(row.language, set()).update(row.overrides)
    for code, parts in done.items():
        for part in changed - parts:
            yield Finding(
                part,
                f"It is changed in {names[words.language]} only; in {names[code]} it is the "
                "original.",
                refuses=False,
            )
