"""The edge: only providers know boto3 and smtplib, and they translate vendor words into ours."""

import os
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from .base import EmailMessage, Provider, SMSMessage
from .django_mail import DjangoMail

__all__ = ["email_provider", "sms_provider"]


@cache
def email_provider() -> Provider[EmailMessage]:
    """Return this process's e-mail provider, which keeps its connection open."""
    return DjangoMail(settings.EMAIL_BACKEND)


@cache
def sms_provider() -> Provider[SMSMessage]:
    """Return this process's text message provider, from SMS_BACKEND."""
    provider: Provider[SMSMessage] = import_string(settings.SMS_BACKEND)()
    return provider


def forget() -> None:
    """Drop the providers; the next call makes new ones."""
    email_provider.cache_clear()
    sms_provider.cache_clear()


# Two processes must not share a connection, so a fork starts without one.
os.register_at_fork(after_in_child=forget)
