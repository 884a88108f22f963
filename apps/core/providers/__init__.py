"""The edge: the only place that knows boto3 or smtplib. Vendor words become ours here."""

import os
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from .base import EmailMessage, Provider, SMSMessage
from .django_mail import DjangoMail

__all__ = ["email_provider", "sms_provider"]


@cache
def email_provider() -> Provider[EmailMessage]:
    """This process's e-mail provider; it keeps its connection open."""
    return DjangoMail(settings.EMAIL_BACKEND)


@cache
def sms_provider() -> Provider[SMSMessage]:
    """This process's text message provider, from SMS_BACKEND."""
    provider: Provider[SMSMessage] = import_string(settings.SMS_BACKEND)()
    return provider


def forget() -> None:
    """Let the next call make its providers anew."""
    email_provider.cache_clear()
    sms_provider.cache_clear()


# A connection that two processes share garbles both; a fork starts with none.
os.register_at_fork(after_in_child=forget)
