"""The table of variables: what each environment refuses at the start, and its documentation."""

import os
import re
from typing import Any

import pytest

from rs_systems import variables
from rs_systems.refusal import CANNOT_START
from rs_systems.variables import BASE_DIR, PUBLISHED_KEY, REQUIRED, VARIABLES, Variable
from tests.support.settings import PRODUCTION

pytestmark = pytest.mark.services

DEPLOYED = ("staging", "production")


@pytest.fixture(autouse=True)
def _only_production_s_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("AWS_ENDPOINT_URL") or name == "PGSSLMODE":
            monkeypatch.delenv(name)
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)


def refused(capsys: pytest.CaptureFixture[str], environment: str) -> list[str]:
    with pytest.raises(SystemExit) as end:
        variables.read(environment)
    assert end.value.code == CANNOT_START
    return capsys.readouterr().err.splitlines()


NONSENSE = [
    ("TIME_ZONE", "Mars/Olympus", "IANA"),
    ("CELERY_TIMEZONE", "../../etc/passwd", "IANA"),
    ("AWS_SES_PORT", "70000", "1 to 65,535"),
    ("AWS_SES_PORT", "five", "1 to 65,535"),
    ("SMS_ENABLED", "maybe", "true or false"),
    ("CELERY_CONCURRENCY", "0", "1 to 256"),
    ("DELIVERY_LOG_RETENTION_DAYS", "7", "30 to 3,650"),
    ("NOTIFICATION_RETENTION_DAYS", "59", "60 to 3,650"),
    ("DELIVERY_LEASE_S", "55", "56 to 3,600"),
    ("RETRY_HORIZON_H", "-1", "1 to 720"),
    ("AWS_SECRETS_REFRESH_S", "0", "1 to 86,400"),
    ("EMAIL_TIMEOUT", "21", "1 to 20"),
    ("EMAIL_CONNECTIONS", "101", "1 to 100"),
    ("SMS_CONNECTIONS", "0", "1 to 100"),
    ("EMAIL_RATE_LIMIT", "0", "above 0"),
    ("EMAIL_RATE_LIMIT", "nan", "above 0"),
    ("SMS_RATE_LIMIT", "inf", "above 0"),
    ("SMS_MONTHLY_SPEND_LIMIT_USD", "0", "above 0"),
    ("SMS_MONTHLY_SPEND_LIMIT_USD", "10000000", "below 10,000,000"),
    ("SMS_MAX_PRICE_USD", "NaN", "above 0"),
    ("SMS_SENDER_ID", "12345", "at least one letter"),
    ("BRAND_ACCENT", "blue", "#0b5cad"),
    ("DEFAULT_FROM_NAME", "RS\nBcc: x@y.example", "line breaks"),
    ("EMAIL_REPLY_TO", "büro@example.com", "office@example.com"),
    ("BRAND_FOOTER", "Thanks.\nBye.", "line breaks"),
    ("ADMIN_EMAIL", "admin", "admin@example.com"),
    ("AWS_SES_TLS", "yes", "starttls"),
    ("AWS_SES_HOST", ".example.com", "email-smtp.us-east-1"),
    ("AWS_SES_HOST", "a" * 64 + ".example.com", "email-smtp.us-east-1"),
    ("AWS_SES_SMTP_USER", "büro", "ASCII"),
    ("AWS_SES_SMTP_PASSWORD", "pässword", "ASCII"),
    ("AWS_SES_CONFIGURATION_SET", "größe", "letters, digits"),
    ("AWS_SES_REGION", "Virginia", "us-east-1"),
    ("AWS_SES_BOUNCE_TOPIC_ARN", "bounces", "arn:aws:sns"),
    ("EMAIL_TRANSPORT", "api", "smtp or ses-api"),
    ("EMAIL_BACKEND", "smtp", "package.module.Class"),
    ("SITE_URL", "app.rssystems.com", "https://app.example.com"),
    ("SITE_URL", "https://", "https://app.example.com"),
    ("ALLOWED_HOSTS", "https://app.rssystems.com", "without scheme"),
    ("LOG_DIR", "/nowhere/at/all", "exists"),
    ("UNKNOWN_RESEND", "fax", "sms:urgent"),
    ("UNKNOWN_DEADLINE_S", "600,700", "600,sms:urgent=60"),
    ("CELERY_BROKER_URL", "foo://", "rediss://"),
    ("CELERY_BROKER_URL", "redis://127.0.0.1:notaport/0", "rediss://"),
    ("CELERY_BROKER_URL", "redis://:pass/word@cache.example:6379/0", "percent-encode"),
    ("CELERY_BROKER_URL", "redis://127.0.0.1:6379/zero", "rediss://"),
    ("CELERY_BROKER_URL", "amqp://127.0.0.1", "rediss://"),
    ("CELERY_RESULT_BACKEND", "rediss://", "rediss://"),
    ("DATABASE_URL", "db.example", "postgres://"),
    ("DATABASE_URL", "postgres://u:p@db.example:port/x", "postgres://"),
    *[
        ("SMS_PRICES_USD", value, "each country once")
        for value in ("US", "US=", "US=free", "US=-1", "us=0.01", "USA=0.01", "US=NaN", "US=1,US=2")
    ],
    *[
        ("UNKNOWN_DEADLINE_S", value, "600,sms")
        for value in ("sms=60", "600,sms", "600,sms=0", "600,sms=1.5")
    ],
]


@pytest.mark.parametrize(("name", "value", "advice"), NONSENSE)
@pytest.mark.parametrize("environment", ["development", "production"])
def test_nonsense_is_refused_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: str,
    name: str,
    value: str,
    advice: str,
) -> None:
    monkeypatch.setenv(name, value)
    [line] = refused(capsys, environment)
    assert line.startswith(f"{name} ")
    assert advice in line


UNSAFE = [
    ("SECRET_KEY", PUBLISHED_KEY, "secrets.token_urlsafe"),
    ("SECRET_KEY", "short", "secrets.token_urlsafe"),
    ("ALLOWED_HOSTS", "*", "every Host header"),
    ("ALLOWED_HOSTS", "app.rssystems.com, *", "every Host header"),
    ("SITE_URL", "http://app.rssystems.com", "https://"),
    ("DATABASE_URL", "postgres://u:p@db.example/rs", "sslmode=require"),
    ("DATABASE_URL", "postgres://u:p@db.example/rs?sslmode=prefer", "sslmode=require"),
    ("ALLOWED_HOSTS", ".com", "every Host header"),
    ("DATABASE_URL", "postgres://u:p@/rs?host=db.example", "sslmode=require"),
    ("DATABASE_URL", "postgres://u:p@127.0.0.1,db.example/rs", "sslmode=require"),
    ("DATABASE_URL", "postgres://u:p@127.0.0.1/rs?hostaddr=192.0.2.1", "sslmode=require"),
    ("CELERY_BROKER_URL", "redis://127.0.0.1.example.com:6379/0", "rediss://"),
    ("CELERY_BROKER_URL", "redis://cache.example:6379/0", "rediss://"),
    ("CELERY_BROKER_URL", "rediss://cache.example/0?ssl_cert_reqs=none", "verification"),
    ("CELERY_BROKER_URL", "rediss://cache.example/0?ssl_check_hostname=false", "verification"),
    ("CELERY_RESULT_BACKEND", "redis://cache.example:6379/1", "rediss://"),
    ("CELERY_RESULT_BACKEND", "rediss://cache.example/1?ssl_cert_reqs=CERT_NONE", "verification"),
    ("CELERY_TASK_ALWAYS_EAGER", "true", "wait for the provider"),
    ("AWS_SES_TLS", "none", "unencrypted"),
    ("AWS_ENDPOINT_URL", "http://proxy.example", "https://"),
    ("AWS_ENDPOINT_URL_SNS", "http://proxy.example:4566", "https://"),
    ("AWS_SES_EVENT_QUEUE_URL", "http://sqs.example/1/q", "https://"),
    ("SNS_TRUST_SANDBOX", "true", "forge"),
]


@pytest.mark.parametrize(("name", "value", "advice"), UNSAFE)
def test_only_development_accepts_an_unsafe_value(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    advice: str,
) -> None:
    monkeypatch.setenv(name, value)
    for environment in DEPLOYED:
        [line] = refused(capsys, environment)
        assert line.startswith(f"{name} ")
        assert advice in line
    variables.read("development")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"),
        ("CELERY_BROKER_URL", "rediss://cache.example:6379/0?ssl_cert_reqs=CERT_REQUIRED"),
        ("DATABASE_URL", "postgres://rs@127.0.0.1/rs"),
        ("ALLOWED_HOSTS", ".rssystems.com"),
        ("CELERY_BROKER_URL", "redis://[::1]:6379/0"),
        ("DATABASE_URL", "postgres://rs@/rs?host=/var/run/postgresql"),
        ("DATABASE_URL", "postgres://rs@%2Fvar%2Frun%2Fpostgresql/rs"),
        ("DATABASE_URL", "postgres://rs:p@db.example/rs?sslmode=verify-full"),
        ("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9912"),
        ("AWS_ENDPOINT_URL_SNS", "https://vpce-1.sns.us-east-1.vpce.amazonaws.com"),
    ],
)
def test_this_machine_and_tls_are_accepted_everywhere(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    for environment in ("development", *DEPLOYED):
        variables.read(environment)


def test_every_wrong_value_is_named_in_one_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SES_PORT", "0")
    monkeypatch.setenv("TIME_ZONE", "Nowhere")
    monkeypatch.delenv("SITE_URL")
    lines = refused(capsys, "production")
    assert [line.split()[0] for line in lines] == ["SITE_URL", "TIME_ZONE", "AWS_SES_PORT"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysqlx://user:hidden@db.example/rs"),
        ("CELERY_BROKER_URL", "redis://:hidden@cache.example:6379/0"),
        ("SECRET_KEY", "hidden"),
    ],
)
def test_a_refusal_does_not_print_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    [line] = refused(capsys, "production")
    assert "hidden" not in line


def test_an_empty_value_is_an_unset_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMAIL_TIMEOUT", "")
    assert variables.read("production")["EMAIL_TIMEOUT"] == 10
    monkeypatch.setenv("SECRET_KEY", "")
    assert refused(capsys, "production") == ["SECRET_KEY is not set. Production needs it."]


def test_every_default_is_accepted() -> None:
    for variable in VARIABLES:
        for environment in ("development", "production"):
            default = variable.default_in(environment)
            if default != REQUIRED:
                value = variable.kind.parse(default)
                assert environment == "development" or not (
                    variable.guard and variable.guard(value)
                )


def test_documentation_shows_the_table() -> None:
    documented = (BASE_DIR / "docs" / "configuration.md").read_text().splitlines()
    rows = {
        match[1]: line for line in documented if (match := re.match(r"\| `([A-Z_0-9]+)` \|", line))
    }
    for variable in VARIABLES:
        assert rows[variable.name].startswith(_row(variable)), variable.name
        assert rows[variable.name] != _row(variable), f"{variable.name} has no meaning"


def _row(variable: Variable) -> str:
    default = _shown(variable.default)
    if variable.deployed is not None:
        default += f"; deployed: {_shown(variable.deployed)}"
    cells = f"| `{variable.name}` | {variable.kind.words} | {default} | "
    return cells.replace("|  |", "| |")


def _shown(default: str) -> str:
    is_value = default not in ("", REQUIRED)
    return f"`{default}`".replace(f"{BASE_DIR}/", "") if is_value else default


def test_every_variable_of_the_settings_is_in_the_table() -> None:
    sources: Any = (BASE_DIR / "rs_systems" / name for name in ("settings.py", "settings_aws.py"))
    used = set(re.findall(r"""VALUES\[["'](\w+)["']\]""", "".join(s.read_text() for s in sources)))
    read_elsewhere = {"AWS_SECRETS_REGION"}
    assert used | read_elsewhere == {variable.name for variable in VARIABLES}
