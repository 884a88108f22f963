"""Checks of the settings, each by itself and together."""

import re
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.core import checks as django_checks

from apps.aws.account import Account
from apps.aws.smtp_credentials import is_smtp_password
from apps.core.audit.findings import Finding, fail, ok, warn
from rs_systems import secret

_SMTP_HOST = re.compile(r"email-smtp(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


def checks(account: Account) -> Finding:
    """Run Django's `check`; outside development, `check --deploy`."""
    deploy = settings.ENVIRONMENT != "development"
    found = django_checks.run_checks(include_deployment_checks=deploy)
    found = [each for each in found if each.level >= django_checks.WARNING]
    if not found:
        return ok("`manage.py check --deploy` finds nothing" if deploy else "nothing (development)")
    ids = ", ".join(str(each.id) for each in found)
    worst = max(found, key=lambda each: each.level)
    found_words = f"{ids}: {worst.msg}".rstrip(".")
    do = str(worst.hint or "Run `manage.py check --deploy`.")
    return fail(found_words, do) if worst.level >= django_checks.ERROR else warn(found_words, do)


def secrets(account: Account) -> Finding:
    """Name what the secret gives. One that cannot be read ends the command at its start."""
    given = secret.given()
    if given is None:
        found = "AWS_SECRETS_NAME is not set: every variable comes from this host"
        if settings.ENVIRONMENT == "development":
            return ok(f"{found} (development)")
        return warn(found, "Put passwords and keys into a secret of AWS Secrets Manager.")
    found = f"{settings.AWS_SECRETS_NAME} gives {_listed(given.version.values)}"
    if given.overridden:
        return warn(
            f"{found}; this host has its own {_listed(given.overridden)}",
            "Unless that is meant, take it out of the host's environment: it is not rotated there.",
        )
    return ok(found)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def contradictions(account: Account) -> Finding:
    """Look for settings that cannot both be meant."""
    found = list(_contradictions())
    if found:
        return fail("; ".join(found), "Correct the one or the other.")
    ses, sns = settings.AWS_SES_REGION_NAME, settings.AWS_SNS_REGION_NAME
    if settings.SMS_ENABLED and ses != sns:
        return warn(
            f"AWS_SNS_REGION is {sns}, AWS_SES_REGION is {ses}: a stack serves one Region",
            "Use one for both, or see docs/deploy.md for what texts need in a Region of their own.",
        )
    return ok("the settings agree")


def _contradictions() -> Iterator[str]:
    yield from _of_email()
    yield from _of_events()
    yield from _of_texts()


def _of_email() -> Iterator[str]:
    if settings.EMAIL_TRANSPORT != "smtp":
        # The SMTP variables are not used.
        return
    if host := _SMTP_HOST.fullmatch(settings.EMAIL_HOST):
        if host[1] != settings.AWS_SES_REGION_NAME:
            yield f"AWS_SES_HOST is in {host[1]}, AWS_SES_REGION is {settings.AWS_SES_REGION_NAME}"
        password = settings.EMAIL_HOST_PASSWORD
        if password and not is_smtp_password(password):
            yield (
                "AWS_SES_SMTP_PASSWORD is no SMTP password of SES: perhaps the IAM secret key, of "
                "which `manage.py aws smtp-credentials` makes one"
            )


def _of_events() -> Iterator[str]:
    topics = settings.AWS_EVENT_TOPIC_ARNS
    if topics and not settings.AWS_SES_CONFIGURATION_SET:
        yield "AWS_SES_EVENT_TOPIC_ARNS is set, AWS_SES_CONFIGURATION_SET is not"
    if settings.AWS_SES_EVENT_QUEUE_URL and not topics:
        yield "AWS_SES_EVENT_QUEUE_URL is set, and AWS_SES_EVENT_TOPIC_ARNS has no topic to trust"
    for arn in topics:
        region = arn.split(":")[3:4]
        if region != [settings.AWS_SES_REGION_NAME]:
            yield f"{arn} is not in AWS_SES_REGION, {settings.AWS_SES_REGION_NAME}"


def _of_texts() -> Iterator[str]:
    if not settings.SMS_ENABLED:
        return
    if settings.ENVIRONMENT != "development" and not settings.SMS_BACKEND.endswith(".SNS"):
        yield f"SMS_ENABLED is true, and SMS_BACKEND is {settings.SMS_BACKEND}"
    group = settings.SMS_DELIVERY_LOG_GROUP.split("/")
    if group[0] == "sns" and group[1:2] != [settings.AWS_SNS_REGION_NAME]:
        yield f"SMS_DELIVERY_LOG_GROUP is not in AWS_SNS_REGION, {settings.AWS_SNS_REGION_NAME}"
