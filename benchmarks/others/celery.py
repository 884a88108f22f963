"""What a project has that uses Celery and Django alone: one task for each message."""

import django
from celery import Celery

django.setup()

from django.core.mail import send_mail  # noqa: E402  it needs the settings

from .models import Message  # noqa: E402
from .rendering import render  # noqa: E402

app = Celery("others")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="send", ignore_result=True)
def send(pk: int) -> None:
    row = Message.objects.get(pk=pk)
    mail = render(row.number)
    send_mail(mail.subject, mail.text, None, [mail.to], html_message=mail.html)
    row.status = "sent"
    row.save(update_fields=["status"])
