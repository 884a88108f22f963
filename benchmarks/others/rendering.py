"""The message, rendered by Django's own loader."""

from typing import NamedTuple

from django.template.loader import render_to_string

from ..message import FOLDER, address, values


class Mail(NamedTuple):
    to: str
    subject: str
    text: str
    html: str


def render(number: int) -> Mail:
    context = values(number)
    subject = render_to_string(f"{FOLDER}/subject.txt", context).strip()
    text = render_to_string(f"{FOLDER}/email.txt", context)
    html = render_to_string(f"{FOLDER}/email.html", context)
    return Mail(address(number), subject, text, html)
