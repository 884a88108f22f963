"""What must hold before the system starts, and for `check --deploy`. Each says what to do."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

from .exceptions import ChannelUnavailableError
from .providers import mail_format
from .states import Channel, Priority

_ABOVE_ZERO = (
    "EMAIL_RATE_LIMIT",
    "SMS_RATE_LIMIT",
    "RATE_LIMIT_SHARES",
    "EMAIL_TIMEOUT",
    "RETRY_HORIZON_URGENT_H",
    "RETRY_HORIZON_H",
    "DELIVERY_LOG_RETENTION_DAYS",
    "AWS_SECRETS_REFRESH_S",
    "CELERY_WORKER_CONCURRENCY",
    "CELERY_WORKER_MAX_TASKS_PER_CHILD",
)
_SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9-]{3,11}")
_TOPIC_ARN = re.compile(r"arn:aws(-[a-z-]+)?:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_COLOUR = re.compile(r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_RULES = {c.value for c in Channel} | {f"{c}:{p.name.lower()}" for c in Channel for p in Priority}


@register(Tags.compatibility)
def check_values(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Settings that no environment can work with."""
    return [*_email(), *_sms(), *_numbers(), *_names()]


@register(Tags.security)
def check_environment(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """What staging and production must not do."""
    return [] if settings.ENVIRONMENT == "development" else list(_deployment())


def _error(number: int, problem: str, hint: str) -> Error:
    return Error(problem, hint=hint, id=f"notifications.E{number:03}")


def _email() -> Iterator[CheckMessage]:
    if settings.AWS_SES_TLS not in ("starttls", "implicit", "none"):
        yield _error(
            1,
            f"AWS_SES_TLS is {settings.AWS_SES_TLS!r}.",
            "Use starttls (ports 25, 587, 2587), implicit (465, 2465) or none (sandbox).",
        )
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


def _sms() -> Iterator[CheckMessage]:
    if settings.SMS_ENABLED and not _SENDER_ID.fullmatch(settings.SMS_SENDER_ID):
        yield _error(
            2,
            f"SMS_SENDER_ID is {settings.SMS_SENDER_ID!r}, which SNS refuses.",
            "3 to 11 letters, digits and hyphens, at least one letter.",
        )
    # What the month's row can hold.
    if not 0 < settings.SMS_MONTHLY_SPEND_LIMIT_USD < 10_000_000:
        yield _error(
            9,
            f"SMS_MONTHLY_SPEND_LIMIT_USD is {settings.SMS_MONTHLY_SPEND_LIMIT_USD}.",
            "Set an amount above 0 and below 10,000,000; SMS_ENABLED=false sends none.",
        )
    for country, price in settings.SMS_PRICES_USD.items():
        known = country in phonenumbers.SUPPORTED_REGIONS
        if not known or not 0 < price <= settings.SMS_MAX_PRICE_USD:
            yield _error(
                16,
                f"SMS_PRICES_USD has {country}={price}.",
                "Give each country by its ISO 3166 code (GB, not UK) and a price above 0, "
                f"up to SMS_MAX_PRICE_USD ({settings.SMS_MAX_PRICE_USD}).",
            )


def _numbers() -> Iterator[CheckMessage]:
    # A task of 45 s must end, by its limit, before another worker may take its delivery.
    if settings.DELIVERY_LEASE_S <= 45:
        yield _error(
            3,
            f"DELIVERY_LEASE_S is {settings.DELIVERY_LEASE_S}.",
            "Set more than 45 s, the hard time limit of a send task.",
        )
    for name in _ABOVE_ZERO:
        if getattr(settings, name) <= 0:
            yield _error(5, f"{name} is {getattr(settings, name)}.", "Set a number above 0.")


def _names() -> Iterator[CheckMessage]:
    if not _COLOUR.fullmatch(settings.BRAND_ACCENT):
        yield _error(
            4, f"BRAND_ACCENT is {settings.BRAND_ACCENT!r}.", "Write a colour as in #0b5cad."
        )
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
    if not re.match(r"https?://[^/]", settings.SITE_URL):
        yield _error(
            7,
            f"SITE_URL is {settings.SITE_URL!r}; every link in every message starts with it.",
            "Write it as in https://app.example.com.",
        )
    for arn in settings.AWS_EVENT_TOPIC_ARNS:
        if not _TOPIC_ARN.fullmatch(arn):
            yield _error(
                17,
                f"{arn!r} is no SNS topic.",
                "Write AWS_SES_EVENT_TOPIC_ARNS as in arn:aws:sns:us-east-1:123456789012:name.",
            )
    for name in ("EMAIL_BACKEND", "SMS_BACKEND"):
        try:
            import_string(getattr(settings, name))
        except ImportError as error:
            yield _error(
                8, f"{name} cannot be imported: {error}.", "Name a class by its full path."
            )


def _deployment() -> Iterator[CheckMessage]:
    if settings.DEBUG:
        yield _error(
            10,
            f"ENVIRONMENT is {settings.ENVIRONMENT} on the development settings.",
            "Unset DJANGO_SETTINGS_MODULE, or set it to rs_systems.settings_aws.",
        )
    if settings.CELERY_TASK_ALWAYS_EAGER:
        yield _error(
            11,
            "Celery runs tasks eagerly: inside the request, which waits for the provider.",
            "Unset CELERY_TASK_ALWAYS_EAGER.",
        )
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        if re.search(
            r"ssl_cert_reqs=(none|optional)|ssl_check_hostname=", getattr(settings, name) or ""
        ):
            yield _error(
                19,
                f"{name} does not have the certificate of Redis verified.",
                "Take ssl_cert_reqs and ssl_check_hostname out; name an authority of your own by "
                "ssl_ca_certs=FILE.",
            )
    by_smtp = settings.EMAIL_TRANSPORT == "smtp"
    if by_smtp and settings.AWS_SES_TLS == "none":
        yield _error(
            12,
            "E-mail and its password would travel unencrypted.",
            "Unset AWS_SES_TLS, or set it to starttls.",
        )
    if not settings.SITE_URL.startswith("https://"):
        yield _error(
            13,
            f"SITE_URL is {settings.SITE_URL!r}; every link in every message starts with it.",
            "Set it to the https:// address of the site.",
        )
    ours = settings.EMAIL_BACKEND == settings.SES_BACKEND
    if by_smtp and ours and not settings.EMAIL_HOST_PASSWORD:
        yield _error(
            15,
            "SES has no credentials.",
            "Set AWS_SES_SMTP_USER and AWS_SES_SMTP_PASSWORD, or EMAIL_TRANSPORT=ses-api where the "
            "machine has a role.",
        )
    if settings.ENVIRONMENT == "staging" and not settings.STAGING_ALLOWED_RECIPIENTS:
        yield Warning(
            "Staging may reach nobody: every delivery will be skipped.",
            hint="Set STAGING_ALLOWED_RECIPIENTS to addresses, @domains and numbers.",
            id="notifications.W014",
        )
