"""The ways in which people read a message, and a page for a frame that shows one of them."""

from django.db.models import TextChoices
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.core.message.kinds import NotificationKind
from apps.core.services.wording_shadow import Words
from apps.core.states import Channel

from .preview import Scheme, frameable, framed


class Shape(TextChoices):
    PHONE = "phone", "E-mail, phone"
    DESKTOP = "desktop", "E-mail, desktop"
    DARK = "dark", "E-mail, dark"
    PLAIN = "plain", "Plain text"
    SMS = "sms", "Text message"
    IN_APP = "in_app", "In the app"


EMAILS = (Shape.PHONE, Shape.DESKTOP, Shape.DARK)


def of(kind: NotificationKind) -> list[Shape]:
    """Return the shapes in which a message of the kind may reach people."""
    without = {
        *((*EMAILS, Shape.PLAIN) if Channel.EMAIL in kind.forbidden else ()),
        *((Shape.SMS,) if Channel.SMS in kind.forbidden else ()),
    }
    return [each for each in Shape if each not in without]


def read(value: str | None) -> Shape:
    """Return the shape of this name, or the first one."""
    return Shape(value) if value in Shape.values else Shape.PHONE


def framed_words(request: HttpRequest, words: Words, shape: Shape, language: str) -> HttpResponse:
    """Return the page of the frame."""
    if shape in EMAILS:
        return framed(words.html, Scheme.DARK if shape == Shape.DARK else Scheme.LIGHT)
    context = {"words": words, "shape": shape, "language": language}
    return frameable(render(request, "office/frame.html", context))


def framed_problem(request: HttpRequest, sentences: list[str]) -> HttpResponse:
    """Return a page that says why there is nothing to show."""
    return frameable(render(request, "office/frame_problem.html", {"sentences": sentences}))
