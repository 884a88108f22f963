"""What the harness has the other contestants do. Each action prints one line of JSON last."""

import time
from pathlib import Path
from typing import Any

import django

django.setup()

from django.core.mail import EmailMultiAlternatives, get_connection  # noqa: E402
from post_office import mail  # noqa: E402  they need the settings
from post_office.models import EmailTemplate  # noqa: E402

from .. import actions  # noqa: E402
from ..message import FOLDER, KIND, TEMPLATES, address, values  # noqa: E402
from .celery import send  # noqa: E402
from .models import Message  # noqa: E402
from .rendering import render  # noqa: E402

#: Seconds between two looks for e-mails while there are none.
PAUSE_S = 0.2


def template() -> None:
    """Store the message's templates, as django-post_office's users do."""
    folder = TEMPLATES / FOLDER
    EmailTemplate.objects.create(
        name=KIND,
        subject=(folder / "subject.txt").read_text().strip(),
        content=(folder / "email.txt").read_text(),
        html_content=(folder / "email.html").read_text(),
    )


def create(count: int) -> dict[str, Any]:
    """Queue e-mails one by one; return when the first call began, and how long each took."""
    _queue(0)
    began = time.monotonic()
    times = []
    for number in range(1, count):
        before = time.monotonic()
        _queue(number)
        times.append(time.monotonic() - before)
    return {"began": began, "seconds": times}


def deliver(processes: int, lock: Path) -> None:
    """Deliver what is queued until the process is ended; its default is five threads each."""
    print("ready", flush=True)
    while True:
        mail.send_queued_mail_until_done(str(lock), processes=processes)
        time.sleep(PAUSE_S)


def publish(count: int) -> None:
    """Store messages and publish a plain task for each."""
    for row in Message.objects.bulk_create([Message(number=n) for n in range(count)]):
        send.delay(row.pk)


def loop(first: int, count: int) -> None:
    """Render, build and send e-mails over one connection: what no queue can be faster than."""
    with get_connection() as connection:
        for number in range(first, first + count):
            rendered = render(number)
            message = EmailMultiAlternatives(
                rendered.subject, rendered.text, None, [rendered.to], connection=connection
            )
            message.attach_alternative(rendered.html, "text/html")
            message.send()


def _queue(number: int) -> None:
    mail.send(address(number), template=KIND, context=values(number))


if __name__ == "__main__":
    actions.run(template, create, deliver, publish, loop)
