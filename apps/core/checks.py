"""What must hold before the system starts, and for `check --deploy`. Each says what to do."""

import re
from collections.abc import Sequence
from typing import Any

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

from .states import Channel, Priority

_ABOVE_ZERO = (
    "EMAIL_RATE_LIMIT",
    "SMS_RATE_LIMIT",
    "RATE_LIMIT_SHARES",
    "EMAIL_TIMEOUT",
    "RETRY_HORIZON_URGENT_H",
    "RETRY_HORIZON_H",
    "UNKNOWN_DEADLINE_S",
    "DELIVERY_LOG_RETENTION_DAYS",
    "CELERY_WORKER_CONCURRENCY",
    "CELERY_WORKER_MAX_TASKS_PER_CHILD",
)
_SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9-]{3,11}")


@register(Tags.compatibility)
def check_values(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Settings that no environment can work with."""
    found: list[CheckMessage] = []
    if settings.AWS_SES_TLS not in ("starttls", "implicit", "none"):
        found.append(
            Error(
                f"AWS_SES_TLS is {settings.AWS_SES_TLS!r}.",
                hint="Use starttls (ports 25, 587, 2587), implicit (465, 2465) or none (sandbox).",
                id="notifications.E001",
            )
        )
    if settings.SMS_ENABLED and not _SENDER_ID.fullmatch(settings.SMS_SENDER_ID):
        found.append(
            Error(
                f"SMS_SENDER_ID is {settings.SMS_SENDER_ID!r}, which SNS refuses.",
                hint="3 to 11 letters, digits and hyphens, at least one letter.",
                id="notifications.E002",
            )
        )
    # A task of 45 s must end, by its limit, before another worker may take its delivery.
    if settings.DELIVERY_LEASE_S <= 45:
        found.append(
            Error(
                f"DELIVERY_LEASE_S is {settings.DELIVERY_LEASE_S}.",
                hint="Set more than 45 s, the hard time limit of a send task.",
                id="notifications.E003",
            )
        )
    if not re.fullmatch(r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})", settings.BRAND_ACCENT):
        found.append(
            Error(
                f"BRAND_ACCENT is {settings.BRAND_ACCENT!r}.",
                hint="Write a colour as in #0b5cad.",
                id="notifications.E004",
            )
        )
    found += [
        Error(
            f"{name} is {getattr(settings, name)}.",
            hint="Set a number above 0.",
            id="notifications.E005",
        )
        for name in _ABOVE_ZERO
        if getattr(settings, name) <= 0
    ]
    known = {c.value for c in Channel} | {
        f"{c}:{p.name.lower()}" for c in Channel for p in Priority
    }
    unknown = [rule for rule in settings.UNKNOWN_RESEND if rule.strip().lower() not in known]
    if unknown:
        found.append(
            Error(
                f"UNKNOWN_RESEND has {', '.join(unknown)}.",
                hint="Write email, sms, or a channel with a priority as in sms:urgent.",
                id="notifications.E006",
            )
        )
    if not re.match(r"https?://[^/]", settings.SITE_URL):
        found.append(
            Error(
                f"SITE_URL is {settings.SITE_URL!r}; every link in every message starts with it.",
                hint="Write it as in https://app.example.com.",
                id="notifications.E007",
            )
        )
    # What the month's row can hold.
    if not 0 < settings.SMS_MONTHLY_SPEND_LIMIT_USD < 10_000_000:
        found.append(
            Error(
                f"SMS_MONTHLY_SPEND_LIMIT_USD is {settings.SMS_MONTHLY_SPEND_LIMIT_USD}.",
                hint="Set an amount above 0 and below 10,000,000; SMS_ENABLED=false sends none.",
                id="notifications.E009",
            )
        )
    found += [
        Error(
            f"SMS_PRICES_USD has {country}={price}.",
            hint="Give each country by its ISO 3166 code (GB, not UK) and a price above 0, "
            f"up to SMS_MAX_PRICE_USD ({settings.SMS_MAX_PRICE_USD}).",
            id="notifications.E016",
        )
        for country, price in settings.SMS_PRICES_USD.items()
        if country not in phonenumbers.SUPPORTED_REGIONS
        or not 0 < price <= settings.SMS_MAX_PRICE_USD
    ]
    for name in ("EMAIL_BACKEND", "SMS_BACKEND"):
        try:
            import_string(getattr(settings, name))
        except ImportError as error:
            found.append(
                Error(
                    f"{name} cannot be imported: {error}.",
                    hint="Name a class by its full path.",
                    id="notifications.E008",
                )
            )
    return found


@register(Tags.security)
def check_environment(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """What staging and production must not do."""
    if settings.ENVIRONMENT == "development":
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(
            Error(
                f"ENVIRONMENT is {settings.ENVIRONMENT} on the development settings.",
                hint="Unset DJANGO_SETTINGS_MODULE, or set it to rs_systems.settings_aws.",
                id="notifications.E010",
            )
        )
    if settings.CELERY_TASK_ALWAYS_EAGER:
        found.append(
            Error(
                "Celery runs tasks eagerly: inside the request, which waits for the provider.",
                hint="Unset CELERY_TASK_ALWAYS_EAGER.",
                id="notifications.E011",
            )
        )
    if settings.AWS_SES_TLS == "none":
        found.append(
            Error(
                "E-mail and its password would travel unencrypted.",
                hint="Unset AWS_SES_TLS, or set it to starttls.",
                id="notifications.E012",
            )
        )
    if settings.EMAIL_BACKEND == settings.SES_BACKEND and not settings.EMAIL_HOST_PASSWORD:
        found.append(
            Error(
                "SES has no credentials.",
                hint="Set AWS_SES_SMTP_USER and AWS_SES_SMTP_PASSWORD.",
                id="notifications.E015",
            )
        )
    if not settings.SITE_URL.startswith("https://"):
        found.append(
            Error(
                f"SITE_URL is {settings.SITE_URL!r}; every link in every message starts with it.",
                hint="Set it to the https:// address of the site.",
                id="notifications.E013",
            )
        )
    if settings.ENVIRONMENT == "staging" and not settings.STAGING_ALLOWED_RECIPIENTS:
        found.append(
            Warning(
                "Staging may reach nobody: every delivery will be skipped.",
                hint="Set STAGING_ALLOWED_RECIPIENTS to addresses, @domains and numbers.",
                id="notifications.W014",
            )
        )
    return found
