"""Render real messages in other words, to see what changes. Nothing is stored or sent."""

import logging
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.conf import settings
from django.shortcuts import resolve_url

from apps.core.message import brand, folded, kinds, rendering, segments
from apps.core.message.wording import Wording
from apps.core.models import Notification
from apps.core.states import Channel

logger = logging.getLogger(__name__)

#: Characters of a subject. RFC 5322, 2.1.1: a line should have no more.
LONGEST_SUBJECT = 78
SAMPLE_NAME = "Jane Ortiz"
#: Messages that are looked at, and seconds that it may take.
MOST, LONGEST_S = 100, 5.0
#: Messages whose differences are kept, to be shown.
SHOWN = 3


@dataclass(frozen=True)
class Words:
    """One message as people would read it."""

    title: str
    text: str
    subject: str
    email: str
    sms: str
    #: Not compared: it says the same as `email`.
    html: str = field(compare=False)

    @cached_property
    def segments(self) -> segments.Segments:
        return segments.count(self.sms)

    @property
    def parts(self) -> int:
        return self.segments.parts


@dataclass(frozen=True)
class Difference:
    """A real message in the words that are in effect, and in the others."""

    notification: Notification
    before: Words
    after: Words


@dataclass
class Shadow:
    """What other words would have made of the newest real messages."""

    seen: int = 0
    #: Those that the present code or the words in use cannot render any more.
    unreadable: int = 0
    differing: int = 0
    #: Texts that would take more parts than in the words of the file.
    longer_texts: int = 0
    long_subjects: int = 0
    first: list[Difference] = field(default_factory=list)
    #: What went wrong with a message, in the words of the error.
    failures: list[str] = field(default_factory=list)
    #: The time was over before all were looked at.
    is_cut: bool = False


def render_sample(wording: Wording) -> Words:
    """Return the kind's sample in these words; raise TemplateProblem."""
    kind = kinds.worded()[wording.kind]
    return _render(wording, kind.sample, SAMPLE_NAME, resolve_url(settings.INBOX_URL))


def cast_shadow(file: Wording, current: Wording, words: Wording) -> Shadow:
    """Render the newest real messages of the kind in all three wordings; compare the last two.

    It looks at MOST messages, and ends after LONGEST_S seconds.
    """
    shadow, ends_at = Shadow(), time.monotonic() + LONGEST_S
    rows = Notification.objects.filter(kind=words.kind).select_related("recipient")
    for row in rows.order_by("-created_at", "-pk")[:MOST]:
        if time.monotonic() > ends_at:
            shadow.is_cut = True
            break
        _look_at(row, shadow, file, current, words)
    return shadow


def _look_at(
    row: Notification, shadow: Shadow, file: Wording, current: Wording, words: Wording
) -> None:
    try:
        delivered, before = _render_row(row, file), _render_row(row, current)
    except Exception as error:
        # An old row need not fit the present code, which is not the fault of the new words.
        logger.info("message not looked at kind=%s id=%s: %s", row.kind, row.pk, error)
        shadow.unreadable += 1
        return
    shadow.seen += 1
    try:
        after = _render_row(row, words)
    except Exception as error:
        logger.warning("words fail kind=%s id=%s: %s", row.kind, row.pk, error)
        shadow.failures.append(str(error))
        return
    _compare(shadow, Difference(row, before, after), delivered)


def _compare(shadow: Shadow, both: Difference, delivered: Words) -> None:
    after = both.after
    shadow.longer_texts += after.parts > max(1, delivered.parts)
    shadow.long_subjects += len(after.subject) > LONGEST_SUBJECT
    if both.before != after:
        shadow.differing += 1
        if len(shadow.first) < SHOWN:
            shadow.first.append(both)


def _render_row(row: Notification, wording: Wording) -> Words:
    context = kinds.get(row.kind).validate(row.context)
    return _render(wording, context, rendering.name_of(row.recipient), row.action_url)


def _render(wording: Wording, context: kinds.Context, name: str, action_url: str) -> Words:
    kind, house = kinds.worded()[wording.kind], brand.current()

    # A digest's e-mail has no sentence of its own, but a list.
    body = folded.sample_body(wording.language, house) if kind is kinds.FOLDED else None

    def draft(channel: Channel | None) -> Any:
        return rendering.draft(kind, wording, context, name, house, channel, action_url, body)

    in_app, email, sms = draft(None), draft(Channel.EMAIL), draft(Channel.SMS)
    return Words(in_app.title, in_app.text, email.subject, email.text, sms.text, email.html)
