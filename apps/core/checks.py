"""System checks: settings that only the loaded application can judge.

rs_systems/variables.py checks the type and range of each variable when a process starts.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

from .exceptions import ChannelUnavailableError
from .providers import mail_format
from .states import Channel, Priority

_RULES = {c.value for c in Channel} | {f"{c}:{p.name.lower()}" for c in Channel for p in Priority}


@register(Tags.compatibility)
def check_values(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Find settings that cannot work in any environment."""
    return [*_email(), *_prices(), *_names(), *_retention()]


@register(Tags.security)
def check_environment(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Find settings that staging and production must not have."""
    return [] if settings.ENVIRONMENT == "development" else list(_deployment())


def _error(number: int, problem: str, hint: str) -> Error:
    return Error(problem, hint=hint, id=f"notifications.E{number:03}")


def _email() -> Iterator[CheckMessage]:
    try:
        mail_format.our_sender()
    except ChannelUnavailableError as error:
        yield _error(
            20, f"{error.detail}.", "Write an address, or a name and <address>, on one line."
        )
    backend, ours = settings.EMAIL_BACKEND, settings.SES_BACKEND
    named = settings.EMAIL_TRANSPORT != "smtp" or backend in settings.EMAIL_TRANSPORTS.values()
    if named and backend != ours:
        yield _error(
            18,
            f"EMAIL_TRANSPORT is {settings.EMAIL_TRANSPORT}, and EMAIL_BACKEND is {backend}.",
            "Unset EMAIL_BACKEND: EMAIL_TRANSPORT=smtp or ses-api picks the right one.",
        )


def _prices() -> Iterator[CheckMessage]:
    for country, price in settings.SMS_PRICES_USD.items():
        known = country in phonenumbers.SUPPORTED_REGIONS
        if not known or not 0 < price <= settings.SMS_MAX_PRICE_USD:
            yield _error(
                16,
                f"SMS_PRICES_USD has {country}={price}.",
                "Give each country by its ISO 3166 code (GB, not UK) and a price above 0, "
                f"up to SMS_MAX_PRICE_USD ({settings.SMS_MAX_PRICE_USD}).",
            )


def _names() -> Iterator[CheckMessage]:
    for name, rules in (
        ("UNKNOWN_RESEND", {rule.strip().lower() for rule in settings.UNKNOWN_RESEND}),
        ("UNKNOWN_DEADLINE_S", settings.UNKNOWN_DEADLINE_S.keys() - {""}),
    ):
        if unknown := rules - _RULES:
            yield _error(
                6,
                f"{name} has {', '.join(sorted(unknown))}.",
                "Write email, sms, or a channel with a priority as in sms:urgent.",
            )
    for name in ("EMAIL_BACKEND", "SMS_BACKEND"):
        try:
            import_string(getattr(settings, name))
        except ImportError as error:
            yield _error(
                8, f"{name} cannot be imported: {error}.", "Name a class by its full path."
            )


def _retention() -> Iterator[CheckMessage]:
    log, all_of_it = settings.DELIVERY_LOG_RETENTION_DAYS, settings.NOTIFICATION_RETENTION_DAYS
    if log > all_of_it:
        yield _error(
            21,
            f"DELIVERY_LOG_RETENTION_DAYS is {log}, and NOTIFICATION_RETENTION_DAYS {all_of_it}.",
            "A delivery's log is deleted with its notification at the latest: keep notifications "
            "at least as long as logs.",
        )


def _deployment() -> Iterator[CheckMessage]:
    by_smtp = settings.EMAIL_TRANSPORT == "smtp"
    ours = settings.EMAIL_BACKEND == settings.SES_BACKEND
    if by_smtp and ours and not settings.EMAIL_HOST_PASSWORD:
        yield _error(
            15,
            "SES has no credentials.",
            "Set AWS_SES_SMTP_USER and AWS_SES_SMTP_PASSWORD, or EMAIL_TRANSPORT=ses-api if the "
            "machine has a role.",
        )
    if settings.ENVIRONMENT == "staging" and not settings.STAGING_ALLOWED_RECIPIENTS:
        yield Warning(
            "Staging may send to no one: every delivery will be skipped.",
            hint="Set STAGING_ALLOWED_RECIPIENTS to addresses, @domains and numbers.",
            id="notifications.W014",
        )
