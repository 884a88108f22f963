"""The values of the stack's parameters, and where each comes from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from apps.aws.account import Stopped
from apps.aws.doctor import email

from . import template

#: The parameters that the template's rule requires if it creates the Redis.
CACHE, CACHE_NETWORK = "CreateCache", ("VpcId", "CacheSubnetIds", "ApplicationSecurityGroupId")


@dataclass(frozen=True)
class Value:
    """The value of a parameter, and its source for people."""

    text: str
    source: str


Values = Mapping[str, Value]


def of_settings(region: str) -> dict[str, Value]:
    """Return the values that the settings give."""
    return {name: Value(text, variable) for name, text, variable in _of_settings(region) if text}


def _of_settings(region: str) -> Iterator[tuple[str, str, str]]:
    yield "Environment", settings.ENVIRONMENT, "ENVIRONMENT"
    yield "AdminEmail", settings.ADMIN_EMAIL, "ADMIN_EMAIL"
    yield "DomainName", email.domain(), "DEFAULT_FROM_EMAIL"
    yield "FromAddress", email.sender(), "DEFAULT_FROM_EMAIL"
    yield "ConfigurationSetName", settings.AWS_SES_CONFIGURATION_SET, "AWS_SES_CONFIGURATION_SET"
    limit = plain(settings.SMS_MONTHLY_SPEND_LIMIT_USD)
    yield "SmsMonthlySpendLimitUsd", limit, "SMS_MONTHLY_SPEND_LIMIT_USD"
    yield "WebhookHost", _webhook_host(region), "SITE_URL"


def _webhook_host(region: str) -> str:
    """Return the site's host if the site trusts this stack's topic and reads no queue.

    SNS asks for a confirmation at once, which a site that does not trust the topic refuses.
    """
    ours = (region, f"rs-systems-{settings.ENVIRONMENT}-ses-events")
    trusted = [tuple(arn.split(":")[3::2]) for arn in settings.AWS_EVENT_TOPIC_ARNS]
    site = urlsplit(settings.SITE_URL)
    if settings.AWS_SES_EVENT_QUEUE_URL or ours not in trusted or site.scheme != "https":
        return ""
    return site.hostname or ""


def of_quota(account: Mapping[str, Any]) -> dict[str, Value]:
    """Return SES's daily quota from GetAccount's answer; nothing if it is unlimited."""
    quota = account["SendQuota"]["Max24HourSend"]
    return {"DailyEmailQuota": Value(f"{quota:.0f}", "SES's quota")} if quota >= 1 else {}


def of_file(path: str) -> dict[str, Value]:
    """Read a file with one JSON object, `{"NAME": "VALUE"}`; raises Stopped."""
    try:
        given = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise Stopped(f"{path} cannot be read: {error}", "Give a file of JSON.") from None
    if not isinstance(given, dict) or not all(
        isinstance(value, str | int | float) for value in given.values()
    ):
        raise Stopped(f"{path} is not one JSON object of names and values", _FORM)
    return {name: Value(_text(value), path) for name, value in given.items()}


_FORM = 'Write it as in {"VpcId": "vpc-0123456789abcdef0", "CacheNodes": 2}.'


def _text(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_options(given: list[str]) -> dict[str, Value]:
    """Read `--parameter NAME=VALUE`; raises Stopped."""
    values: dict[str, Value] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals:
            raise Stopped(f"--parameter {each} has no value", "Write it as NAME=VALUE.")
        values[name] = Value(text, "--parameter")
    return values


def check(values: Values) -> None:
    """Raise Stopped for a parameter that the template does not have or would refuse."""
    declared = template.parameters()
    if unknown := sorted(values.keys() - declared.keys()):
        raise Stopped(
            f"the stack has no parameter {', '.join(unknown)}",
            f"Those that it has: {', '.join(declared)}.",
        )
    for name, value in values.items():
        if objection := declared[name].objection(value.text):
            raise Stopped(
                f"{name} {objection}, and {value.source} says {value.text!r}",
                f"Correct it, or give --parameter {name}=….",
            )


def check_complete(values: Values, previous: Mapping[str, str]) -> None:
    """Raise Stopped if the Redis is to be created and its network is not given."""
    declared = template.parameters()

    def text(name: str) -> str:
        given = values[name].text if name in values else previous.get(name)
        return declared[name].default or "" if given is None else given

    missing = [name for name in CACHE_NETWORK if not text(name)]
    if text(CACHE) == "true" and missing:
        raise Stopped(
            f"{CACHE} is true, and {', '.join(missing)} {_is_or_are(missing)} not given",
            f"Give {' '.join(f'--parameter {name}=…' for name in missing)}, or if you have a "
            f"Redis already --parameter {CACHE}=false.",
        )


def _is_or_are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def for_call(values: Values, previous: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the parameters as CreateChangeSet takes them.

    A parameter without a value keeps that of the stack, or else gets the template's default. One
    that the template no longer has must not be named.
    """
    told: list[dict[str, Any]] = []
    for name in template.parameters():
        if name in values:
            told.append({"ParameterKey": name, "ParameterValue": values[name].text})
        elif name in previous:
            told.append({"ParameterKey": name, "UsePreviousValue": True})
    return told


def plain(amount: Decimal) -> str:
    """Write the amount without an exponent or needless zeros: 50.00 is 50."""
    return f"{amount.normalize():f}"
