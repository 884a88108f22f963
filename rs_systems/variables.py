"""The table of environment variables: type, range and default of each, checked at the start.

docs/configuration.md shows the same table, and a test compares the two.
"""

import ipaddress
import os
import re
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import dj_database_url

from .refusal import refuse

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

#: Development's signing key. Everyone can read it here.
PUBLISHED_KEY = "development-only-not-a-secret-0123456789-abcdefghij"
#: The default, outside development, of a variable that must be set there.
REQUIRED = "required"

Parse = Callable[[str], Any]
#: Takes a parsed value. Returns what to do about it outside development, "" if it is fine.
Guard = Callable[[Any], str]


class Kind(NamedTuple):
    """A type of value. `parse` raises ValueError with a sentence that says what to write."""

    words: str
    parse: Parse


class Variable(NamedTuple):
    """One row of the table. Defaults are written as in a file; "" means unset."""

    name: str
    kind: Kind
    default: str = ""
    #: The default in staging and production, if it is another one.
    deployed: str | None = None
    guard: Guard | None = None
    is_secret: bool = False

    def default_in(self, environment: str) -> str:
        is_deployed = environment != "development" and self.deployed is not None
        return (self.deployed or "") if is_deployed else self.default


def read(environment: str) -> dict[str, Any]:
    """Return each variable's parsed value by name. End the process if one is wrong."""
    values: dict[str, Any] = {}
    problems = [*endpoint_problems(environment)]
    for variable in VARIABLES:
        try:
            values[variable.name] = _value(variable, environment)
        except ValueError as problem:
            problems.append(str(problem))
    if not problems and environment != "development":
        problems += _contradictions(values)
    if problems:
        refuse("\n".join(problems))
    return values


def endpoint_problems(environment: str) -> Iterator[str]:
    """Find boto3 endpoints that are no URLs, or that would send credentials unencrypted."""
    for name in sorted(os.environ):
        if name.startswith("AWS_ENDPOINT_URL") and os.environ[name]:
            try:
                _value(Variable(name, url("http", "https"), guard=_needs_https), environment)
            except ValueError as problem:
                yield str(problem)


def _value(variable: Variable, environment: str) -> Any:
    # As in a copied example, an empty value is an unset one.
    text = os.environ.get(variable.name, "").strip() or variable.default_in(environment)
    if text == REQUIRED:
        raise ValueError(f"{variable.name} is not set. {environment.capitalize()} needs it.")
    shown = "has a wrong value" if variable.is_secret else f"is {text!r}"
    try:
        value = variable.kind.parse(text)
    except ValueError as advice:
        raise ValueError(f"{variable.name} {shown}. {advice}") from None
    if environment != "development" and variable.guard and (risk := variable.guard(value)):
        raise ValueError(f"{variable.name} {shown} in {environment}. {risk}")
    return value


def _contradictions(values: dict[str, Any]) -> Iterator[str]:
    if values["EMAIL_TRANSPORT"] == "smtp" and values["AWS_SES_TLS"] == "none":
        yield (
            "AWS_SES_TLS is 'none': e-mail and its password would be sent unencrypted. Unset it, "
            "or set it to starttls."
        )


# --- Types --------------------------------------------------------------------------------------
def text(value: str) -> str:
    if not value.isprintable():
        raise ValueError("Remove line breaks and control characters.")
    return value


def flag(value: str) -> bool | None:
    """Parse a switch; None if it is unset and the default depends on another variable."""
    if value.lower() in ("true", "1", "yes", "on"):
        return True
    if value.lower() in ("false", "0", "no", "off"):
        return False
    if not value:
        return None
    raise ValueError("Write true or false.")


def whole(low: int, high: int) -> Kind:
    def parse(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise ValueError(f"Write a whole number from {low:,} to {high:,}.")
        return int(value)

    return Kind(f"whole number, {low:,} to {high:,}", parse)


def connections(value: str) -> int | None:
    """Parse a number of connections; None if it is unset and depends on the rate limit."""
    return whole(1, 100).parse(value) if value else None


def optional(kind: Kind) -> Kind:
    """Return the kind of a value that may be unset: then it is None."""
    return Kind(kind.words, lambda value: kind.parse(value) if value else None)


def number(high: int) -> Kind:
    def parse(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = -1
        if not 0 < found <= high:
            raise ValueError(f"Write a number above 0, up to {high:,}.")
        return found

    return Kind(f"number above 0, up to {high:,}", parse)


def share(high: str) -> Kind:
    def parse(value: str) -> Decimal:
        try:
            found = Decimal(value)
        except InvalidOperation:
            found = Decimal(-1)
        if not found.is_finite() or not 0 <= found < Decimal(high):
            raise ValueError(f"Write a number of at least 0 and below {high}.")
        return found

    return Kind(f"at least 0 and below {high}", parse)


def dollars(high: int) -> Kind:
    def parse(value: str) -> Decimal:
        try:
            found = Decimal(value)
        except InvalidOperation:
            found = Decimal(-1)
        # NaN compares as an error, so it is looked for first.
        if not found.is_finite() or not 0 < found < high:
            raise ValueError(f"Write an amount above 0 and below {high:,}.")
        return found

    return Kind(f"US dollars, above 0 and below {high:,}", parse)


def choice(*options: str) -> Kind:
    def parse(value: str) -> str:
        if value not in options:
            raise ValueError(f"Write {' or '.join(options)}.")
        return value

    return Kind(" or ".join(f"`{option}`" for option in options), parse)


def matching(words: str, pattern: str, advice: str) -> Kind:
    """Return a kind of text that is empty or matches the pattern."""

    def parse(value: str) -> str:
        if value and not re.fullmatch(pattern, value):
            raise ValueError(advice)
        return value

    return Kind(words, parse)


def several(item: Kind) -> Kind:
    def parse(value: str) -> list[Any]:
        parts = (part.strip() for part in value.split(","))
        return [item.parse(part) for part in parts if part]

    return Kind(f"{item.words}; several separated by commas", parse)


def url(*schemes: str) -> Kind:
    def parse(value: str) -> str:
        try:
            parts = urlsplit(value)
            is_one = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            is_one = False
        if value and (not is_one or re.search(r"\s", value)):
            raise ValueError(f"Write an address as in {schemes[-1]}://app.example.com.")
        return value.rstrip("/")

    return Kind(f"`{'://` or `'.join(schemes)}://` address", parse)


def time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError("Write a name of the IANA list, as in America/New_York.") from None
    return value


def prices(value: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for item in filter(None, value.split(",")):
        entry = re.fullmatch(r"\s*([A-Z]{2})\s*=\s*([0-9]+(?:\.[0-9]+)?)\s*", item)
        if entry is None or entry[1] in found:
            raise ValueError(f"Write each country once, as in US=0.00645,GB=0.04; not {item!r}.")
        found[entry[1]] = Decimal(entry[2])
    return found


def seconds(value: str) -> dict[str, int]:
    """Parse seconds by rule. The number without a name applies to every rule that is not named."""
    found: dict[str, int] = {}
    for item in value.split(","):
        entry = re.fullmatch(r"\s*(?:([a-z:]+)\s*=)?\s*([1-9][0-9]{0,7})\s*", item)
        name = (entry[1] or "") if entry else ""
        if entry is None or name in found:
            raise ValueError(f"Write each rule once, as in 600,sms:urgent=60; not {item!r}.")
        found[name] = int(entry[2])
    if "" not in found:
        raise ValueError("Begin with the seconds for all other rules, as in 600,sms=300.")
    return found


def hours(value: str) -> tuple[time, time] | None:
    """Parse hours of the day, as in 08:00-21:00; "always" is None."""
    if value == "always":
        return None
    entry = re.fullmatch(r"\s*([0-9]{2}:[0-9]{2})\s*-\s*([0-9]{2}:[0-9]{2})\s*", value)
    try:
        begin, end = (
            (time.fromisoformat(text) for text in entry.groups()) if entry else (None, None)
        )
    except ValueError:
        begin = end = None
    if begin is None or end is None or begin >= end:
        raise ValueError(
            "Write the first and the last time of a day, as in 08:00-21:00, or always."
        )
    return begin, end


def redis_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in ("redis", "rediss") and parts.hostname and parts.port != 0
    except ValueError:
        is_one = False
    if value and (not is_one or not re.fullmatch(r"/?|/[0-9]{1,5}", parts.path)):
        raise ValueError(
            "Write redis://host:6379/0, or rediss:// for TLS; percent-encode the password."
        )
    # Celery's manual writes ssl_cert_reqs=CERT_REQUIRED, and redis-py refuses that.
    return re.sub(r"(?<=ssl_cert_reqs=)CERT_\w+", lambda found: found[0][5:].lower(), value)


def database_url(value: str) -> dict[str, Any]:
    try:
        found = dict(dj_database_url.parse(value))
    except ValueError:
        found = {}
    if not found.get("ENGINE") or not found.get("NAME"):
        raise ValueError(
            "Write postgres://user:password@host:5432/name?sslmode=require; percent-encode the "
            "password."
        )
    return found


def folder(value: str) -> str:
    if value and not (os.path.isdir(value) and os.access(value, os.W_OK)):
        raise ValueError("Name a folder that exists and that this user may write to.")
    return value


# --- Guards: what staging and production must not have --------------------------------------------
def is_local(host: str | None) -> bool:
    """Return whether a host is this machine: loopback, or a socket's folder."""
    if not host or host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _needs_own_key(value: str) -> str:
    if value == PUBLISHED_KEY or len(value) < 50 or len(set(value)) < 5:
        return (
            "Make one of at least 50 characters: "
            'python -c "import secrets; print(secrets.token_urlsafe(64))"'
        )
    return ""


def _needs_names(value: list[str]) -> str:
    # The form .com accepts every host below it.
    is_too_wide = any(name == "*" or (name[0] == "." and name.count(".") < 2) for name in value)
    return "Name the hosts of the site; * accepts every Host header." if is_too_wide else ""


def _needs_https(value: str) -> str:
    parts = urlsplit(value)
    is_safe = not value or parts.scheme == "https" or is_local(parts.hostname)
    return "" if is_safe else "Use https://; only this machine may be reached without TLS."


def _needs_https_site(value: str) -> str:
    is_safe = value.startswith("https://")
    return "" if is_safe else "Set the https:// address of the site, for links in messages."


def _needs_redis_tls(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == "redis" and not is_local(parts.hostname):
        return "Use rediss://; only this machine may be reached without TLS."
    query = parse_qs(parts.query)
    weak = query.get("ssl_cert_reqs", ["required"]) != ["required"] or "ssl_check_hostname" in query
    if weak:
        return (
            "Remove ssl_cert_reqs and ssl_check_hostname, which turn off the verification of the "
            "certificate. For your own authority add ssl_ca_certs=FILE."
        )
    return ""


def _needs_database_tls(value: dict[str, Any]) -> str:
    options = value.get("OPTIONS", {})
    mode = options.get("sslmode") or os.environ.get("PGSSLMODE", "")
    if all(map(is_local, _database_hosts(value, options))) or mode in (
        "require",
        "verify-ca",
        "verify-full",
    ):
        return ""
    return "Add ?sslmode=require (or verify-full) for a database on another host."


def _database_hosts(value: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """Return all hosts that libpq may connect to; each name may be a list with commas."""
    named = [unquote(str(value.get("HOST") or "")), options.get("host"), options.get("hostaddr")]
    given = [each for each in named if each]
    from_libpq = [os.environ.get(name, "") for name in ("PGHOST", "PGHOSTADDR")]
    return [host for each in given or from_libpq for host in each.split(",")]


def _needs_long_token(value: str) -> str:
    if value and len(value) < 24:
        return (
            "Make one of at least 24 characters: "
            'python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return ""


def _must_be_off(advice: str) -> Guard:
    return lambda value: advice if value else ""


# --- The table ----------------------------------------------------------------------------------
TEXT = Kind("text", text)
FLAG = Kind("`true` or `false`", flag)
CONNECTIONS = Kind("whole number, 1 to 100", connections)
ZONE = Kind("time zone", time_zone)
FOLDER = Kind("folder that exists", folder)
REDIS = Kind("`redis://` or `rediss://` address", redis_url)
DATABASE = Kind("`postgres://` address", database_url)
PRICES = Kind("`US=0.00645,GB=0.04`", prices)
SECONDS = Kind("`600,sms:urgent=60`", seconds)
REGION = matching("AWS Region", r"[a-z]{2}(-[a-z]+)+-[0-9]", "Write a Region as in us-east-1.")
COLOR = matching(
    "`#rgb` or `#rrggbb`", r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})", "Write a color as in #0b5cad."
)
PHONE = matching(
    "phone number",
    r"\+(?=(?:\D*[0-9]){7,15}\D*$)[0-9][0-9 ().-]{0,22}[0-9]",
    "Write it with its country code, as in +1 312 555 0148.",
)
NUMBER = matching(
    "E.164 number", r"\+[1-9][0-9]{7,14}", "Write it without spaces, as in +13125550148."
)
ADDRESS = matching(
    "e-mail address", r"[^@\s,]+@[^@\s,]+", "Write one address as in admin@example.com."
)
REPLY_TO = matching(
    "e-mail address in ASCII",
    r"[!-;=?A-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
    "Write one address as in office@example.com.",
)
CLASS = matching(
    "full path of a class", r"[A-Za-z_]\w*(\.\w+)+", "Write a class as in package.module.Class."
)
TOPIC = matching(
    "ARN of an SNS topic",
    r"arn:aws(-[a-z-]+)?:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
    "Write it as in arn:aws:sns:us-east-1:123456789012:name.",
)
HOST = matching(
    "host name",
    r"\*|\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\]",
    "Write host names without scheme and port, as in app.example.com.",
)
SERVER = matching(
    "host name",
    r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*",
    "Write a host name without scheme and port, as in email-smtp.us-east-1.amazonaws.com.",
)
# SMTP's login is in ASCII (RFC 4954).
LOGIN = matching("text in ASCII", r"[ -~]+", "Write it in ASCII, without accents.")
CONFIGURATION_SET = matching(
    "name of a configuration set",
    r"[A-Za-z0-9_-]{1,64}",
    "Write up to 64 letters, digits, hyphens and underscores.",
)
RULE = matching(
    "`email`, `sms` or `sms:urgent`",
    r"(?i)(email|sms)(:[a-z]+)?",
    "Write email, sms, or a channel with a priority as in sms:urgent.",
)
# SNS refuses a space, so the specification's "RS Systems" is sent as "RSSystems".
SENDER_ID = matching(
    "3 to 11 letters, digits, hyphens; a letter",
    r"(?=.*[A-Za-z])(?:[A-Za-z0-9-] *){3,11}",
    "Write 3 to 11 letters, digits and hyphens, at least one letter.",
)

VARIABLES = (
    # The site
    Variable("SECRET_KEY", TEXT, PUBLISHED_KEY, REQUIRED, _needs_own_key, is_secret=True),
    Variable("ALLOWED_HOSTS", several(HOST), "localhost,127.0.0.1,[::1]", REQUIRED, _needs_names),
    Variable(
        "SITE_URL", url("http", "https"), "http://localhost:8000", REQUIRED, _needs_https_site
    ),
    Variable(
        "DATABASE_URL",
        DATABASE,
        f"sqlite:///{VAR_DIR / 'db.sqlite3'}",
        REQUIRED,
        _needs_database_tls,
        is_secret=True,
    ),
    Variable("DATABASE_CONN_MAX_AGE", whole(0, 86_400), "600"),
    Variable("DATABASE_PGBOUNCER", FLAG, "false"),
    Variable("DATABASE_STATEMENT_TIMEOUT_S", whole(0, 3_600), "60"),
    Variable("DATABASE_LOCK_TIMEOUT_S", whole(0, 3_600), "10"),
    Variable("TIME_ZONE", ZONE, "America/New_York"),
    Variable("ADMIN_EMAIL", ADDRESS, "admin@rssystems.com"),
    Variable("BRAND_NAME", TEXT, "RS Systems"),
    Variable("BRAND_ACCENT", COLOR, "#0b5cad"),
    Variable("OFFICE_PHONE", PHONE),
    Variable("POSTAL_ADDRESS", TEXT),
    Variable("SUPPORT_HOURS", TEXT),
    Variable("BRAND_FOOTER", TEXT),
    Variable("TRUSTED_PROXIES", whole(0, 9), "0", "1"),
    Variable("LOG_DIR", FOLDER),
    Variable("LOG_FORMAT", choice("text", "json"), "text", "json"),
    Variable("SENTRY_DSN", url("http", "https"), guard=_needs_https, is_secret=True),
    Variable("METRICS_TOKEN", TEXT, guard=_needs_long_token, is_secret=True),
    # The secret
    Variable("AWS_SECRETS_NAME", TEXT),
    Variable("AWS_SECRETS_REGION", REGION),
    Variable("AWS_SECRETS_REFRESH_S", whole(1, 86_400), "300"),
    # E-mail
    Variable("EMAIL_TRANSPORT", choice("smtp", "ses-api"), "smtp"),
    Variable("EMAIL_BACKEND", CLASS),
    Variable("AWS_SES_HOST", SERVER),
    Variable("AWS_SES_PORT", whole(1, 65_535), "587"),
    Variable(
        "AWS_SES_TLS",
        matching(
            "`starttls`, `implicit` or `none`",
            "starttls|implicit|none",
            "Use starttls (ports 25, 587, 2587), implicit (465, 2465) or none (sandbox).",
        ),
    ),
    Variable("AWS_SES_SMTP_USER", LOGIN),
    Variable("AWS_SES_SMTP_PASSWORD", LOGIN, is_secret=True),
    Variable("AWS_SES_REGION", REGION, "us-east-1"),
    Variable("AWS_SES_CONFIGURATION_SET", CONFIGURATION_SET),
    Variable("AWS_SES_SUPPRESSION_LIST", FLAG),
    Variable("AWS_SES_EVENT_TOPIC_ARNS", several(TOPIC)),
    Variable("AWS_SES_BOUNCE_TOPIC_ARN", TOPIC),
    Variable("AWS_SES_COMPLAINT_TOPIC_ARN", TOPIC),
    Variable("AWS_SES_EVENT_QUEUE_URL", url("http", "https"), guard=_needs_https),
    Variable("SES_PRICE_USD_PER_1000", optional(dollars(1_000))),
    Variable("EMAIL_RATE_LIMIT", number(10_000), "14"),
    Variable("EMAIL_CONNECTIONS", CONNECTIONS),
    # A call must end before its thread is taken to hang.
    Variable("EMAIL_TIMEOUT", whole(1, 20), "10"),
    Variable("DEFAULT_FROM_EMAIL", TEXT, "notifications@rssystems.com"),
    Variable("DEFAULT_FROM_NAME", TEXT, "RS Systems"),
    Variable("EMAIL_REPLY_TO", REPLY_TO),
    # Text messages
    Variable("SMS_ENABLED", FLAG, "false"),
    Variable(
        "SMS_BACKEND",
        CLASS,
        "apps.core.providers.console.SMSConsole",
        "apps.core.providers.sns.SNS",
    ),
    Variable("AWS_SNS_REGION", REGION, "us-east-1"),
    Variable("SMS_SENDER_ID", SENDER_ID, "RSSystems"),
    Variable("SMS_DELIVERY_LOG_GROUP", TEXT),
    Variable("SMS_RATE_LIMIT", number(10_000), "10"),
    Variable("SMS_CONNECTIONS", CONNECTIONS),
    Variable("RATE_LIMIT_SHARES", whole(1, 10_000), "16"),
    # The month's column holds amounts below 10,000,000.
    Variable("SMS_MONTHLY_SPEND_LIMIT_USD", dollars(10_000_000), "50"),
    # The administrator is warned at 80 %, which must come before only the reserve is left.
    Variable("SMS_URGENT_RESERVE", share("0.2"), "0.1"),
    Variable("SMS_PRICES_USD", PRICES, "US=0.00645"),
    Variable("SMS_MAX_PRICE_USD", dollars(100), "0.50"),
    Variable("SMS_LIMIT_PER_PERSON_H", whole(1, 1_000_000), "60"),
    Variable("SMS_LIMIT_PER_COMPANY_H", whole(1, 1_000_000), "150"),
    Variable("SMS_HOURS", Kind("two times of a day, or always", hours), "08:00-21:00"),
    Variable("SMS_CAP_PER_PERSON_H", whole(0, 1_000_000), "6"),
    Variable("EMAIL_CAP_PER_PERSON_H", whole(0, 1_000_000), "60"),
    Variable("DIGEST_HOUR", whole(0, 23), "9"),
    # Repairs
    Variable("COST_OVERRUN_SHARE", share("10"), "0.1"),
    Variable("APPROVAL_REMINDER_H", whole(1, 720), "24"),
    Variable("APPROVAL_OVERDUE_H", whole(1, 720), "72"),
    # Deliveries. A send task must reach its hard limit, 55 s, before its lease ends.
    Variable("DELIVERY_LEASE_S", whole(56, 3_600), "60"),
    Variable("RETRY_HORIZON_URGENT_H", whole(1, 720), "4"),
    Variable("RETRY_HORIZON_H", whole(1, 720), "24"),
    Variable("UNKNOWN_DEADLINE_S", SECONDS, "600,email:urgent=120,sms:urgent=60"),
    Variable("UNKNOWN_RESEND", several(RULE), "email,sms:urgent"),
    # Bounces are counted over 30 days, from the log.
    Variable("DELIVERY_LOG_RETENTION_DAYS", whole(30, 3_650), "90"),
    # The reconciliation adds up the texts of the present month.
    Variable("NOTIFICATION_RETENTION_DAYS", whole(60, 3_650), "365"),
    Variable("STAGING_ALLOWED_RECIPIENTS", several(TEXT)),
    Variable("CLOUDWATCH_METRICS", FLAG, "false", "true"),
    # Alarms. deploy/cloudformation has the same thresholds, and a test compares the two.
    Variable("ONCALL_PHONE", NUMBER),
    Variable("ALARM_BOUNCE_SHARE", share("1"), "0.05"),
    Variable("ALARM_COMPLAINT_SHARE", share("1"), "0.001"),
    Variable("ALARM_QUOTA_PERCENT", whole(1, 100), "80"),
    Variable("ALARM_SMS_SPEND_PERCENT", whole(1, 100), "80"),
    Variable("ALARM_SMS_FAILURE_PERCENT", whole(0, 100), "5"),
    Variable("ALARM_SMS_PER_HOUR", whole(1, 10_000_000), "500"),
    Variable("ALARM_WORKERS_EXPECTED", whole(1, 1_000), "1"),
    Variable("ALARM_ATTEMPT_FAILURE_PERCENT", whole(0, 100), "10"),
    Variable("ALARM_TASK_FAILURE_PERCENT", whole(0, 100), "10"),
    Variable("ALARM_FAILURES_AT_LEAST", whole(1, 1_000_000), "3"),
    Variable("ALARM_QUEUE_DEPTH", whole(1, 100_000_000), "1000"),
    Variable("ALARM_URGENT_WAIT_S", whole(1, 86_400), "60"),
    Variable("ALARM_BEAT_SILENT_S", whole(30, 86_400), "60"),
    # Celery
    Variable(
        "CELERY_BROKER_URL",
        REDIS,
        "redis://localhost:6379/0",
        REQUIRED,
        _needs_redis_tls,
        is_secret=True,
    ),
    Variable("CELERY_RESULT_BACKEND", REDIS, guard=_needs_redis_tls, is_secret=True),
    Variable("CELERY_CONCURRENCY", whole(1, 256), "4", "8"),
    Variable("CELERY_MAX_TASKS_PER_CHILD", whole(1, 1_000_000), "1000"),
    Variable("CELERY_TIMEZONE", ZONE, "America/New_York"),
    Variable(
        "CELERY_TASK_ALWAYS_EAGER",
        FLAG,
        "false",
        guard=_must_be_off("Unset it: a request would wait for the provider."),
    ),
    # Development
    Variable("SANDBOX_URL", url("http", "https")),
    Variable(
        "SNS_TRUST_SANDBOX",
        FLAG,
        "false",
        guard=_must_be_off("Unset it: everyone who has the sandbox could forge SES's events."),
    ),
)
