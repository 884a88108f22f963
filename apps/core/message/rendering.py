"""Render a notification by its words: in the app, as an e-mail and as a text message."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext, override

from apps.core.models import Notification
from apps.core.models.notification import LONGEST_TITLE
from apps.core.states import Channel

from . import brand as brands
from . import (
    email_headers,
    kinds,
    layout,
    people,
    safe,
    shortening,
    stored_words,
    unsubscribe,
    variables,
)
from . import wording as wordings
from .brand import Brand
from .layout import Fact, Letter, Note, Photo
from .links import absolute
from .parts import FORM, Form, Part
from .user_text import clean_line
from .wording import Wording

logger = logging.getLogger(__name__)

#: What stands for a secret, such as a code, in a message that is shown again.
HIDDEN = "••••••"
#: What stands for it in a draft, as long as a code.
SAMPLE_SECRET = "123456"  # noqa: S105
#: Characters of a line, as of the subject.
LONGEST_LINE = 250


@dataclass(frozen=True)
class InAppContent:
    title: str
    text: str


@dataclass(frozen=True)
class EmailContent:
    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The sender's name; empty for that of the settings.
    sender_name: str = ""


@dataclass(frozen=True)
class SMSContent:
    text: str


Content = InAppContent | EmailContent | SMSContent


def words(kind: str, language: str) -> Wording:
    """Return the newest usable words of a kind."""
    return _usable([wordings.current(kind, language), wordings.of_file(kind, language)])


def in_app(
    kind: kinds.NotificationKind, context: kinds.Context, action_url: str, wording: Wording
) -> InAppContent:
    """Return the title (one line) and the text that the bell shows."""
    return _in_app(Message(wording, context.model_dump(), action_url, brands.current()))


def email(notification: Notification) -> EmailContent:
    """Return the e-mail by the notification's own words and its recipient's brand."""
    footer = unsubscribe.footer([notification])
    return as_email(_message(notification), footer, email_headers.thread(notification))


def sms(notification: Notification) -> SMSContent:
    """Return the text message, in one part if its names can be made short enough."""
    return as_sms(_message(notification))


def draft(
    kind: kinds.NotificationKind,
    wording: Wording,
    context: kinds.Context,
    recipient_name: str,
    brand: Brand,
    channel: Channel | None,
    action_url: str = "/",
    body: tuple[SafeString, str] | None = None,
) -> Content:
    """Return a message that is not sent, as for a preview; None is the message in the app.

    `body` replaces the sentence of an e-mail. Raise TemplateProblem if the words cannot be used.
    """
    mine = {"recipient_name": recipient_name, **dict.fromkeys(kind.secrets, SAMPLE_SECRET)}
    if "action_url" in kind.secrets:
        mine["action_url"] = absolute(settings.ACCOUNT_URL)
    message = Message(wording, context.model_dump(), action_url, brand, mine)
    if channel is None:
        return _in_app(message)
    if channel == Channel.SMS:
        return as_sms(message)
    return as_email(message, _public_footer(), body=body)


def as_sent(notification: Notification, channel: Channel) -> EmailContent | SMSContent:
    """Return the message as it was sent, in the words and brand of its time and without secrets."""
    kind = kinds.get(notification.kind)
    hidden = {
        name: absolute(f"/{HIDDEN}") if name in variables.LINKS else HIDDEN for name in kind.secrets
    }
    message = _message(notification, brand=brand_of(notification, then=True), secrets=hidden)
    return as_sms(message) if channel == Channel.SMS else as_email(message, _public_footer())


class Message:
    """One message: its words with its values. Parts are rendered when they are asked for."""

    def __init__(
        self,
        wording: Wording,
        context: Mapping[str, Any],
        action_url: str,
        brand: Brand,
        own: Mapping[str, Any] | None = None,
    ) -> None:
        self.wording, self.brand = wording, brand
        self.language = wording.language
        self.kind = kinds.worded()[wording.kind]
        self._parts = _compiled(wording)
        common = {
            "action_url": absolute(action_url),
            "site_url": absolute("/"),
            "brand": {"name": brand.name, "phone": brand.phone},
        }
        self.values: dict[str, Any] = variables.cut({**context, **common, **(own or {})})

    def line(self, part: Part, longest: int = LONGEST_LINE) -> str:
        """Return a part of one line; "" if it is not worded. A link at its end is not cut."""
        line = " ".join(self._fill(part).split())
        if len(line) <= longest:
            return line
        url = self.values["action_url"]
        link = f" {url}" if line.endswith(f" {url}") else ""
        return Truncator(line.removesuffix(link)).chars(longest - len(link)) + link

    def text(self) -> str:
        return self._fill(Part.TEXT).strip()

    def body(self) -> tuple[SafeString, str]:
        """Return the e-mail's sentence, in HTML and in plain text."""
        if Part.SENTENCE not in self._parts:
            text = self.text()
            return mark_safe(escape(text).replace("\n", "<br>")), text  # noqa: S308
        html = _styled_sentence(self.wording, self.brand).fill(self.values)
        # The words have no line breaks, so these are of a value, such as an announcement.
        return mark_safe(html.replace("\n", "<br>")), self._fill(Part.SENTENCE)  # noqa: S308

    def note(self) -> Note | None:
        """Return what a person wrote and who, unless there are no words."""
        *lines, by = self._fill(Part.NOTE).strip().splitlines() or [""]
        words = "\n".join(lines).strip()
        return Note(words, by.strip()) if words else None

    def photo(self) -> Photo | None:
        """Return the picture of the context, if it has one."""
        found = self.values.get("photo")
        if not found:
            return None
        shows = stored_words.translated(found["shows"])
        return layout.fit_photo(absolute(found["url"]), shows, found["width"], found["height"])

    def facts(self) -> list[Fact]:
        """Return the facts that have a value."""
        found = []
        for line in self._fill(Part.FACTS).splitlines():
            label, _, value = line.partition(": ")
            if value := value.strip():
                is_phone = value == self.brand.phone
                found.append(Fact(label.strip(), value, self.brand.tel if is_phone else ""))
        return found

    def why(self) -> str:
        """Return whom the e-mail is for, and why, as a sentence."""
        because = self.line(Part.WHY) or gettext("because of your work with us")
        name = self.values["recipient_name"]
        return gettext("For {name}. You get this e-mail {why}.").format(name=name, why=because)

    def _fill(self, part: Part) -> str:
        if part not in self._parts:
            return ""
        has_lines = FORM[part] in (Form.LINE, Form.NOTE, Form.FACTS)
        return self._parts[part].plain.fill(self._single_lines if has_lines else self.values)

    @cached_property
    def _single_lines(self) -> dict[str, Any]:
        """Return the values without line breaks, which would begin another fact or author."""
        return variables.on_one_line(self.values)


def as_email(
    message: Message,
    footer: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
    body: tuple[SafeString, str] | None = None,
) -> EmailContent:
    """Return an e-mail; `body` replaces the sentence of its words."""
    language, brand = message.language, message.brand
    with override(language):
        html, text = body or message.body()
        letter = Letter(
            subject=message.line(Part.SUBJECT),
            preheader=message.line(Part.PREHEADER),
            state=message.line(Part.STATE),
            heading=message.line(Part.TITLE),
            html=html,
            text=text,
            note=message.note(),
            photo=message.photo(),
            facts=message.facts(),
            action=message.line(Part.ACTION),
            action_url=message.values["action_url"],
            why=message.why(),
            preferences_url=footer["preferences_url"],
            unsubscribe_url=footer["unsubscribe_url"],
        )
    return EmailContent(
        letter.subject,
        layout.text(letter, brand, language),
        layout.html(letter, brand, message.kind.tone, language),
        {**email_headers.of(brand, language), **(headers or {})},
        brand.sender_name,
    )


def as_sms(message: Message) -> SMSContent:
    with override(message.language):
        return SMSContent(shortening.fit(message.line(Part.SMS, longest=2 * LONGEST_LINE)))


def name_of(user: Any) -> str:
    """Return what a message calls a person."""
    return clean_line(user.get_full_name()) or clean_line(user.get_username())


def language_of(user: Any) -> str:
    """Return the language in which a person wants their messages."""
    contact = getattr(user, "contact", None)
    return (contact and contact.language) or settings.LANGUAGE_CODE


def brand_of(notification: Notification, *, then: bool = False) -> Brand:
    """Return the brand of the recipient: the present one, or that of the notification's time.

    The recipient's groups are the present ones.
    """
    reader = notification.recipient_id
    if then:
        return brands.at(notification.created_at, people.groups([reader]).get(reader, ()))
    return brands.of([reader])[reader]


def _message(
    notification: Notification,
    *,
    brand: Brand | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Message:
    kind = kinds.get(notification.kind)
    context = kind.validate(notification.context)
    if secrets is None:
        secrets = {name: make(notification) for name, make in kind.secrets.items()}
    return Message(
        _words_of(notification),
        context.model_dump(),
        notification.action_url,
        brand or brand_of(notification),
        {"recipient_name": name_of(notification.recipient), **secrets},
    )


def _words_of(notification: Notification) -> Wording:
    """Return the words that the notification keeps, or the newest if they cannot be used."""
    pinned = wordings.find(notification.wording)
    if pinned and _is_usable(pinned):
        return pinned
    return words(notification.kind, language_of(notification.recipient))


def _usable(candidates: Sequence[Wording]) -> Wording:
    *others, last = candidates
    return next((each for each in others if _is_usable(each)), last)


def _is_usable(wording: Wording) -> bool:
    """Return whether the words fit the kind as the code now has it."""
    try:
        _compiled(wording)
    except safe.TemplateProblem as problem:
        logger.error("words unusable kind=%s digest=%s: %s", wording.kind, wording.digest, problem)
        return False
    return True


def _in_app(message: Message) -> InAppContent:
    with override(message.language):
        return InAppContent(message.line(Part.TITLE, LONGEST_TITLE), message.text())


def _public_footer() -> dict[str, str]:
    """Return links for a message that is only shown: a person's own would act for them."""
    account = absolute(settings.ACCOUNT_URL)
    return {"preferences_url": account, "unsubscribe_url": account}


@lru_cache(maxsize=1024)
def _compiled(wording: Wording) -> Mapping[Part, safe.Compiled]:
    kind = kinds.worded()[wording.kind]
    return {part: safe.compile_part(kind, part, source) for part, source in wording.parts.items()}


@lru_cache(maxsize=1024)
def _styled_sentence(wording: Wording, brand: Brand) -> safe.Source:
    """Return the sentence's template in HTML, with its styles written into its elements."""
    compiled = _compiled(wording)[Part.SENTENCE]
    assert compiled.html is not None
    kind = kinds.worded()[wording.kind]
    html = layout.with_styles(compiled.html.html, brand)
    return safe.escaped(compiled.html, html, variables.of(kind, Part.SENTENCE))
