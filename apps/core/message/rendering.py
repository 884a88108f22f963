"""Render a kind and its context as in-app text, e-mail and text message."""

from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from django.template.backends.django import DjangoTemplates
from django.utils.text import Truncator

from apps.core.models import Notification
from apps.core.models.notification import LONGEST_TITLE

from . import brand, kinds, segments, unsubscribe
from .links import absolute
from .user_text import clean_line


@dataclass(frozen=True)
class InAppContent:
    title: str
    text: str


@dataclass(frozen=True)
class EmailContent:
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class SMSContent:
    text: str


class BlankVariable(Exception):
    """A message template uses a variable that the kind's context does not have."""


class _Refusing(str):
    """Make Django raise for an unknown variable instead of printing `string_if_invalid`."""

    __slots__ = ()

    def __contains__(self, _: object) -> bool:
        return True

    def __mod__(self, variable: object) -> NoReturn:
        raise BlankVariable(f"a message template uses the unknown variable {variable}")


def in_app(kind: kinds.NotificationKind, context: kinds.Context, action_url: str) -> InAppContent:
    """Return the title (one line) and the text that the bell shows."""
    values = _values(context, action_url)
    return InAppContent(
        title=Truncator(_line(_text(kind.name, "title.txt", values))).chars(LONGEST_TITLE),
        text=_text(kind.name, "text.txt", values).strip(),
    )


def email(notification: Notification) -> EmailContent:
    """Return the subject (one line), plain text and HTML of the notification's e-mail."""
    name = notification.kind
    values = _values_of(notification) | unsubscribe.footer([notification])
    return EmailContent(
        subject=_line(_text(name, "subject.txt", values)),
        text=_text(name, "email.txt", values).strip() + "\n",
        html=_engine(autoescape=True).get_template(_path(name, "email.html")).render(values),
    )


def sms(notification: Notification) -> SMSContent:
    """Return the notification's text message, on one line."""
    text = _text(notification.kind, "sms.txt", _values_of(notification))
    return SMSContent(_line(segments.to_gsm(text)))


def folded_email(values: dict[str, Any]) -> EmailContent:
    """Return an e-mail that stands for several notifications; `values` are its variables."""
    values = _shared(str(values["action_url"])) | values
    html = _engine(autoescape=True).get_template(_path("folded", "email.html"))
    return EmailContent(
        subject=_line(_text("folded", "subject.txt", values)),
        text=_text("folded", "email.txt", values).strip() + "\n",
        html=html.render(values),
    )


def folded_sms(values: dict[str, Any]) -> SMSContent:
    """Return a text message that stands for several notifications."""
    values = _shared(str(values["action_url"])) | values
    return SMSContent(_line(segments.to_gsm(_text("folded", "sms.txt", values))))


def _values_of(notification: Notification) -> dict[str, Any]:
    kind = kinds.get(notification.kind)
    context = kind.validate(notification.context)
    name = name_of(notification.recipient)
    values = _values(context, notification.action_url) | {"recipient_name": name}
    return {**values, **(kind.secrets(notification) if kind.secrets else {})}


def name_of(user: Any) -> str:
    """Return what a message calls a person."""
    return clean_line(user.get_full_name()) or clean_line(user.get_username())


def _values(context: kinds.Context, action_url: str) -> dict[str, Any]:
    fields = {field: getattr(context, field) for field in type(context).model_fields}
    return fields | _shared(absolute(action_url))


def _shared(action_url: str) -> dict[str, Any]:
    return {"action_url": action_url, "site_url": absolute("/"), "brand": brand.current()}


def _text(kind: str, name: str, values: dict[str, Any]) -> str:
    return str(_engine(autoescape=False).get_template(_path(kind, name)).render(values))


def _path(kind: str, name: str) -> str:
    return f"notifications/{kind}/{name}"


def _line(text: str) -> str:
    return " ".join(text.split())


@cache
def _engine(*, autoescape: bool) -> DjangoTemplates:
    # HTML must be escaped, plain text must not: two engines that differ only in that.
    return DjangoTemplates(
        {
            "NAME": "notification-html" if autoescape else "notification-text",
            "DIRS": [],
            "APP_DIRS": True,
            "OPTIONS": {
                "autoescape": autoescape,
                "string_if_invalid": _Refusing("%s"),
                "builtins": ["apps.core.message.template_filters"],
            },
        }
    )
