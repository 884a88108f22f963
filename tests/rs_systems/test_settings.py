"""Each environment variable, in a process of its own."""

import json
import subprocess
from pathlib import Path

import pytest

from rs_systems.refusal import CANNOT_START
from tests.support.settings import PRINT, PRODUCTION, run, setting

pytestmark = pytest.mark.services

TOPIC = "arn:aws:sns:us-east-1:123456789012:"
#: Each variable with a value that is not its default, and the settings that must follow.
VARIABLES: dict[str, tuple[str, dict[str, object]]] = {
    "SITE_URL": ("https://x.example", {"SITE_URL": "https://x.example"}),
    "ALLOWED_HOSTS": ("a.example, b.example", {"ALLOWED_HOSTS": ["a.example", "b.example"]}),
    "SECRET_KEY": ("s3", {"SECRET_KEY": "s3"}),
    "DATABASE_CONN_MAX_AGE": ("0", {}),
    "DATABASE_PGBOUNCER": ("true", {}),
    "DATABASE_STATEMENT_TIMEOUT_S": ("5", {}),
    "DATABASE_LOCK_TIMEOUT_S": ("5", {}),
    "TIME_ZONE": ("America/Chicago", {"TIME_ZONE": "America/Chicago"}),
    "TRUSTED_PROXIES": ("2", {"TRUSTED_PROXIES": 2}),
    "BRAND_NAME": ("Glass Co", {"BRAND_NAME": "Glass Co"}),
    "BRAND_ACCENT": ("#ff0000", {"BRAND_ACCENT": "#ff0000"}),
    "POSTAL_ADDRESS": ("1 Main St", {"POSTAL_ADDRESS": "1 Main St"}),
    "SUPPORT_HOURS": ("8 to 6", {"SUPPORT_HOURS": "8 to 6"}),
    "BRAND_FOOTER": ("Thanks.", {"BRAND_FOOTER": "Thanks."}),
    "EMAIL_REPLY_TO": ("o@x.example", {"EMAIL_REPLY_TO": "o@x.example"}),
    "ADMIN_EMAIL": ("a@x.example", {"ADMINS": [["Administrator", "a@x.example"]]}),
    "STAGING_ALLOWED_RECIPIENTS": (
        "@x.example,+12025550123",
        {"STAGING_ALLOWED_RECIPIENTS": ["@x.example", "+12025550123"]},
    ),
    "DELIVERY_LOG_RETENTION_DAYS": ("45", {"DELIVERY_LOG_RETENTION_DAYS": 45}),
    "NOTIFICATION_RETENTION_DAYS": ("700", {"NOTIFICATION_RETENTION_DAYS": 700}),
    "DELIVERY_LEASE_S": ("90", {"DELIVERY_LEASE_S": 90}),
    "RETRY_HORIZON_URGENT_H": ("2", {"RETRY_HORIZON_URGENT_H": 2}),
    "RETRY_HORIZON_H": ("48", {"RETRY_HORIZON_H": 48}),
    "UNKNOWN_DEADLINE_S": ("30,sms=9", {"UNKNOWN_DEADLINE_S": {"": 30, "sms": 9}}),
    "UNKNOWN_RESEND": ("email", {"UNKNOWN_RESEND": ["email"]}),
    "DEFAULT_FROM_EMAIL": (
        "n@x.example",
        {"DEFAULT_FROM_EMAIL": "n@x.example", "SERVER_EMAIL": "n@x.example"},
    ),
    "DEFAULT_FROM_NAME": ("Glass Co", {"DEFAULT_FROM_NAME": "Glass Co"}),
    "AWS_SES_REGION": ("eu-west-1", {"AWS_SES_REGION_NAME": "eu-west-1"}),
    "AWS_SES_CONFIGURATION_SET": ("mine", {"AWS_SES_CONFIGURATION_SET": "mine"}),
    "AWS_SES_SUPPRESSION_LIST": ("false", {"AWS_SES_SUPPRESSION_LIST": False}),
    "AWS_SES_HOST": ("smtp.example", {"EMAIL_HOST": "smtp.example"}),
    "AWS_SES_PORT": ("2587", {"EMAIL_PORT": 2587}),
    "AWS_SES_TLS": ("implicit", {"EMAIL_USE_SSL": True, "EMAIL_USE_TLS": False}),
    "AWS_SES_SMTP_USER": ("AKIA", {"EMAIL_HOST_USER": "AKIA"}),
    "AWS_SES_SMTP_PASSWORD": ("pass", {"EMAIL_HOST_PASSWORD": "pass"}),
    "AWS_SES_EVENT_TOPIC_ARNS": (
        f"{TOPIC}all, {TOPIC}more",
        {
            "AWS_EVENT_TOPIC_ARNS": [
                f"{TOPIC}all",
                f"{TOPIC}more",
                f"{TOPIC}bounces",
                f"{TOPIC}complaints",
            ]
        },
    ),
    "AWS_SES_EVENT_QUEUE_URL": (
        "https://sqs.us-east-1.amazonaws.com/1/q",
        {"AWS_SES_EVENT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/q"},
    ),
    "AWS_SES_BOUNCE_TOPIC_ARN": (f"{TOPIC}bounces", {}),
    "AWS_SES_COMPLAINT_TOPIC_ARN": (f"{TOPIC}complaints", {}),
    "SNS_TRUST_SANDBOX": ("true", {"SNS_TRUST_SANDBOX": True}),
    "SANDBOX_URL": ("http://127.0.0.1:9", {"SANDBOX_URL": "http://127.0.0.1:9"}),
    "EMAIL_TIMEOUT": ("7", {"EMAIL_TIMEOUT": 7}),
    "EMAIL_TRANSPORT": (
        "ses-api",
        {
            "EMAIL_TRANSPORT": "ses-api",
            "SES_BACKEND": "apps.core.providers.ses_api.EmailBackend",
        },
    ),
    "EMAIL_BACKEND": (
        "django.core.mail.backends.smtp.EmailBackend",
        {"EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend"},
    ),
    "AWS_SNS_REGION": ("eu-west-1", {"AWS_SNS_REGION_NAME": "eu-west-1"}),
    "SMS_ENABLED": ("false", {"SMS_ENABLED": False}),
    "SMS_BACKEND": ("x.SMS", {"SMS_BACKEND": "x.SMS"}),
    "SMS_DELIVERY_LOG_GROUP": ("sns/x/y/z", {"SMS_DELIVERY_LOG_GROUP": "sns/x/y/z"}),
    "SMS_SENDER_ID": ("Glass Co", {"SMS_SENDER_ID": "GlassCo"}),
    "EMAIL_RATE_LIMIT": ("7.5", {"EMAIL_RATE_LIMIT": 7.5}),
    "EMAIL_CONNECTIONS": ("40", {"EMAIL_CONNECTIONS": 40}),
    "SMS_CONNECTIONS": ("3", {"SMS_CONNECTIONS": 3}),
    "SMS_RATE_LIMIT": ("3", {"SMS_RATE_LIMIT": 3.0}),
    "RATE_LIMIT_SHARES": ("4", {"RATE_LIMIT_SHARES": 4}),
    "SMS_MONTHLY_SPEND_LIMIT_USD": ("120.50", {"SMS_MONTHLY_SPEND_LIMIT_USD": "120.50"}),
    "SMS_URGENT_RESERVE": ("0.15", {"SMS_URGENT_RESERVE": "0.15"}),
    "SMS_PRICES_USD": (
        "US=0.0105, GB=0.04",
        {"SMS_PRICES_USD": {"US": "0.0105", "GB": "0.04"}},
    ),
    "SMS_MAX_PRICE_USD": ("0.10", {"SMS_MAX_PRICE_USD": "0.10"}),
    "SMS_LIMIT_PER_PERSON_H": ("9", {"SMS_LIMIT_PER_PERSON_H": 9}),
    "SMS_LIMIT_PER_COMPANY_H": ("9", {"SMS_LIMIT_PER_COMPANY_H": 9}),
    "SMS_HOURS": ("09:30-20:00", {"SMS_HOURS": ["09:30:00", "20:00:00"]}),
    "SMS_CAP_PER_PERSON_H": ("2", {"SMS_CAP_PER_PERSON_H": 2}),
    "EMAIL_CAP_PER_PERSON_H": ("2", {"EMAIL_CAP_PER_PERSON_H": 2}),
    "DIGEST_HOUR": ("7", {"DIGEST_HOUR": 7}),
    "CLOUDWATCH_METRICS": ("false", {"CLOUDWATCH_METRICS": False}),
    "CELERY_BROKER_URL": ("redis://r.example/1", {"CELERY_BROKER_URL": "redis://r.example/1"}),
    "CELERY_RESULT_BACKEND": (
        "redis://r.example/2",
        {"CELERY_RESULT_BACKEND": "redis://r.example/2", "CELERY_TASK_IGNORE_RESULT": False},
    ),
    "CELERY_CONCURRENCY": ("2", {"CELERY_WORKER_CONCURRENCY": 2}),
    "CELERY_MAX_TASKS_PER_CHILD": ("50", {"CELERY_WORKER_MAX_TASKS_PER_CHILD": 50}),
    "CELERY_TIMEZONE": ("UTC", {"CELERY_TIMEZONE": "UTC"}),
    "AWS_SECRETS_REFRESH_S": ("60", {"AWS_SECRETS_REFRESH_S": 60}),
    "CELERY_TASK_ALWAYS_EAGER": ("true", {"CELERY_TASK_ALWAYS_EAGER": True}),
}


def test_every_variable_takes_effect() -> None:
    expected = {name: value for _, found in VARIABLES.values() for name, value in found.items()}
    values = {variable: value for variable, (value, _) in VARIABLES.items()}
    result = run(PRINT, *expected, ENVIRONMENT="development", **values)
    assert result.returncode == 0, result.stderr
    assert dict(zip(expected, json.loads(result.stdout), strict=True)) == expected


@pytest.mark.parametrize(("rate", "expected"), [("1", 2), ("14", 7), ("200", 10)])
def test_a_process_makes_as_many_calls_at_a_time_as_the_rate_limit_needs(
    rate: str, expected: int
) -> None:
    assert setting("EMAIL_CONNECTIONS", EMAIL_RATE_LIMIT=rate) == expected
    assert setting("SMS_CONNECTIONS", SMS_RATE_LIMIT=rate) == expected


def test_database_connections_are_kept_as_configured_and_checked() -> None:
    databases = setting("DATABASES", **{**PRODUCTION, "DATABASE_CONN_MAX_AGE": "5"})
    assert isinstance(databases, dict)
    assert databases["default"]["CONN_MAX_AGE"] == 5
    assert databases["default"]["CONN_HEALTH_CHECKS"] is True
    assert databases["default"]["ENGINE"] == "django.db.backends.postgresql"


@pytest.mark.parametrize(("name", "expected"), [("", False), ("ours", True)])
def test_ses_s_list_is_read_if_there_is_a_configuration_set(name: str, expected: bool) -> None:
    variables = {**PRODUCTION, "AWS_SES_CONFIGURATION_SET": name}
    assert setting("AWS_SES_SUPPRESSION_LIST", **variables) is expected
    variables["AWS_SES_SUPPRESSION_LIST"] = str(not expected)
    assert setting("AWS_SES_SUPPRESSION_LIST", **variables) is not expected


def test_production_publishes_metrics_by_default() -> None:
    assert setting("CLOUDWATCH_METRICS", **PRODUCTION) is True
    assert setting("CLOUDWATCH_METRICS", **PRODUCTION, CLOUDWATCH_METRICS="false") is False


@pytest.mark.parametrize(("port", "tls"), [("25", True), ("587", True), ("465", False)])
def test_the_port_picks_the_form_of_tls(port: str, tls: bool) -> None:
    result = run(PRINT, "EMAIL_USE_TLS", "EMAIL_USE_SSL", **{**PRODUCTION, "AWS_SES_PORT": port})
    assert json.loads(result.stdout) == [tls, not tls]


@pytest.mark.parametrize(
    ("environment", "module"),
    [
        ("staging", "rs_systems.settings"),
        ("production", "rs_systems.settings"),
        ("development", "rs_systems.settings_aws"),
    ],
)
def test_settings_of_another_environment_are_refused(environment: str, module: str) -> None:
    variables = {**PRODUCTION, "ENVIRONMENT": environment, "DJANGO_SETTINGS_MODULE": module}
    result = run(PRINT, "DEBUG", **variables)
    assert result.returncode == CANNOT_START
    assert result.stderr.strip() == (
        f"ENVIRONMENT is {environment}, and DJANGO_SETTINGS_MODULE is {module}. Unset "
        "DJANGO_SETTINGS_MODULE: ENVIRONMENT chooses the settings."
    )


def test_the_environment_picks_the_settings() -> None:
    assert setting("DEBUG", ENVIRONMENT="development") is True
    assert setting("DEBUG", **PRODUCTION) is False
    assert setting("ENVIRONMENT", **{**PRODUCTION, "ENVIRONMENT": "staging"}) == "staging"


def test_use_aws_db_means_production() -> None:
    variables = {k: v for k, v in PRODUCTION.items() if k != "ENVIRONMENT"}
    assert setting("ENVIRONMENT", USE_AWS_DB="true", **variables) == "production"
    assert setting("DEBUG", USE_AWS_DB="true", **variables) is False


def test_naming_the_production_settings_means_production() -> None:
    variables = {k: v for k, v in PRODUCTION.items() if k != "ENVIRONMENT"}
    module = {"DJANGO_SETTINGS_MODULE": "rs_systems.settings_aws"}
    assert setting("ENVIRONMENT", **module, **variables) == "production"


def test_an_unknown_environment_is_refused_in_one_sentence() -> None:
    result = run(PRINT, "DEBUG", ENVIRONMENT="prod")
    assert result.returncode == CANNOT_START
    assert result.stderr.strip().splitlines() == [
        "ENVIRONMENT is 'prod'. Write one of development, staging, production."
    ]


@pytest.mark.parametrize(
    "missing", ["SECRET_KEY", "ALLOWED_HOSTS", "SITE_URL", "DATABASE_URL", "CELERY_BROKER_URL"]
)
def test_production_does_not_start_without_what_it_needs(missing: str) -> None:
    variables = {name: value for name, value in PRODUCTION.items() if name != missing}
    result = run(PRINT, "DEBUG", **variables)
    assert result.returncode == CANNOT_START
    assert result.stderr.strip() == f"{missing} is not set. Production needs it."


def test_production_sends_through_ses_and_sns_of_its_region() -> None:
    variables = {**PRODUCTION, "AWS_SES_REGION": "eu-west-1"}
    assert setting("EMAIL_HOST", **variables) == "email-smtp.eu-west-1.amazonaws.com"
    assert setting("EMAIL_BACKEND", **variables) == "apps.core.providers.ses_smtp.EmailBackend"
    assert setting("SMS_BACKEND", **variables) == "apps.core.providers.sns.SNS"
    assert setting("CELERY_WORKER_CONCURRENCY", **variables) == 8


def test_the_api_of_ses_needs_no_host_user_or_password() -> None:
    variables = {
        "EMAIL_TRANSPORT": "ses-api",
        "AWS_SES_SMTP_USER": "",
        "AWS_SES_SMTP_PASSWORD": "",
        "AWS_SES_HOST": "",
    }
    backend = "apps.core.providers.ses_api.EmailBackend"
    assert setting("EMAIL_BACKEND", **{**PRODUCTION, **variables}) == backend
    assert check(**variables).returncode == 0


def test_settings_for_smtp_do_not_matter_to_the_api() -> None:
    assert check(EMAIL_TRANSPORT="ses-api", AWS_SES_TLS="none").returncode == 0


def test_development_can_use_the_api_of_ses() -> None:
    variables = {"ENVIRONMENT": "development", "EMAIL_TRANSPORT": "ses-api", "AWS_SES_HOST": ""}
    assert setting("EMAIL_BACKEND", **variables) == "apps.core.providers.ses_api.EmailBackend"


ASK_FOR_THE_SIGN_IN = """
import json
from django.conf import settings
# Nothing was collected here.
plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
settings.STORAGES["staticfiles"]["BACKEND"] = plain
import django; django.setup()
from django.test import Client
answers = [Client().get("/login/", secure=secure, headers={"host": "app.rssystems.com"})
           for secure in (False, True)]
cookies = {name: bool(cookie["secure"]) for name, cookie in answers[1].cookies.items()}
print(json.dumps([[each.status_code, dict(each.headers)] for each in answers] + [cookies]))
"""
PROTECTION = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-src 'self'; worker-src 'self'; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def test_production_s_pages_use_https_and_security_headers() -> None:
    # Its database is out of reach, and the page opens nevertheless.
    result = run(ASK_FOR_THE_SIGN_IN, **PRODUCTION)
    assert result.returncode == 0, result.stderr
    (plain, redirect), (status, headers), cookies = json.loads(result.stdout)
    assert (plain, redirect["Location"]) == (301, "https://app.rssystems.com/login/")
    assert status == 200
    assert headers | PROTECTION == headers
    assert cookies == {"csrftoken": True}
    assert setting("SESSION_COOKIE_SECURE", **PRODUCTION) is True
    assert setting("SESSION_COOKIE_HTTPONLY", **PRODUCTION) is True


def test_a_result_backend_over_tls_verifies_certificates() -> None:
    code = (
        "from rs_systems.celery import app\n"
        "print(app.backend.connparams['connection_class'].__name__, "
        "app.backend.connparams['ssl_cert_reqs'].name)"
    )
    result = run(code, **{**PRODUCTION, "CELERY_RESULT_BACKEND": "rediss://r.example/1"})
    assert result.stdout.strip() == "SSLConnection CERT_REQUIRED", result.stderr


def test_staging_refuses_an_email_backend_that_knows_no_allow_list() -> None:
    backend = "django.core.mail.backends.smtp.EmailBackend"
    variables = {**PRODUCTION, "EMAIL_BACKEND": backend}
    assert setting("EMAIL_BACKEND", **variables) == backend
    result = run(PRINT, "DEBUG", **{**variables, "ENVIRONMENT": "staging"})
    assert result.returncode == CANNOT_START
    assert f"EMAIL_BACKEND is '{backend}' in staging" in result.stderr


def test_the_sandbox_s_inbox_exists_in_development_only() -> None:
    apps = setting("INSTALLED_APPS", ENVIRONMENT="development")
    assert isinstance(apps, list)
    assert "sandbox.inbox" in apps
    for name in ("staging", "production"):
        code = (
            "import django; django.setup(); from django.urls import resolve; resolve('/sandbox/')"
        )
        result = run(code, **{**PRODUCTION, "ENVIRONMENT": name})
        assert "Resolver404" in result.stderr


def test_logs_rotate_in_their_folder_and_carry_no_address(tmp_path: Path) -> None:
    code = (
        "import django, logging; django.setup()\n"
        "logging.getLogger('celery.x').info('sent to %s', 'jane@fleet.example')"
    )
    result = run(code, ENVIRONMENT="development", LOG_DIR=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "celery.x sent to j***@fleet.example" in (tmp_path / "celery.log").read_text()
    handler = json.loads(
        run(PRINT, "LOGGING", ENVIRONMENT="development", LOG_DIR=str(tmp_path)).stdout
    )[0]["handlers"]["main"]
    assert (handler["maxBytes"], handler["backupCount"]) == (10 * 1024 * 1024, 5)


def test_production_logs_json_and_development_lines() -> None:
    code = (
        "import django, logging; django.setup()\n"
        "logging.getLogger('apps.x').warning('sent to %s', 'jane@fleet.example')"
    )
    for variables in (PRODUCTION, {"ENVIRONMENT": "development", "LOG_FORMAT": "json"}):
        said = json.loads(run(code, **variables).stderr.splitlines()[-1])
        assert said.pop("timestamp")
        expected = {"level": "warning", "logger": "apps.x", "event": "sent to j***@fleet.example"}
        assert said == expected
    line = run(code, ENVIRONMENT="development").stderr.splitlines()[-1]
    assert line.endswith(" WARNING apps.x sent to j***@fleet.example")


@pytest.mark.parametrize(
    ("variables", "finding"),
    [
        ({"UNKNOWN_RESEND": "email,sms:urgnt"}, "notifications.E006"),
        ({"UNKNOWN_DEADLINE_S": "600,fax=60"}, "notifications.E006"),
        ({"SMS_BACKEND": "apps.nowhere.SMS"}, "notifications.E008"),
        ({"SMS_PRICES_USD": "US=0.51"}, "notifications.E016"),
        ({"SMS_PRICES_USD": "UK=0.04"}, "notifications.E016"),
        ({"AWS_SES_SMTP_PASSWORD": ""}, "notifications.E015"),
        ({"DELIVERY_LOG_RETENTION_DAYS": "366"}, "notifications.E021"),
        (
            {
                "EMAIL_TRANSPORT": "ses-api",
                "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend",
            },
            "notifications.E018",
        ),
        ({"EMAIL_BACKEND": "apps.core.providers.ses_api.EmailBackend"}, "notifications.E018"),
        ({"ENVIRONMENT": "staging"}, "notifications.W014"),
    ],
)
def test_the_system_check_finds_each_fault(variables: dict[str, str], finding: str) -> None:
    result = check(**variables)
    assert result.returncode != 0
    assert finding in result.stderr


def test_the_system_check_finds_nothing_in_a_sound_production() -> None:
    assert check().returncode == 0


def check(**variables: str) -> subprocess.CompletedProcess[str]:
    code = "from django.core.management import call_command; import django; django.setup()\n"
    code += "call_command('check', fail_level='WARNING')"
    return run(code, **{**PRODUCTION, **variables})


def test_boto3_sees_the_values_of_the_environment_files() -> None:
    result = run("import os; print(os.environ['AWS_ENDPOINT_URL_SNS'])", ENVIRONMENT="development")
    assert result.stdout.strip() == "http://127.0.0.1:9912"


@pytest.mark.parametrize("transport", ["smtp", "ses-api"])
def test_staging_s_mail_to_administrators_respects_the_allow_list(
    transport: str,
) -> None:
    code = (
        "import django; django.setup()\n"
        "from django.core.mail import get_connection, EmailMessage\n"
        "from apps.core.exceptions import NotSendable\n"
        "try: get_connection().send_messages([EmailMessage('x', 'x', to=['stranger@x.example'])])\n"
        "except NotSendable as error: print(error)"
    )
    variables = {
        **PRODUCTION,
        "ENVIRONMENT": "staging",
        "STAGING_ALLOWED_RECIPIENTS": "@us.example",
        "EMAIL_TRANSPORT": transport,
    }
    result = run(code, **variables)
    assert result.stdout.strip() == "not among the recipients that staging may reach"
    assert setting("EMAIL_SUBJECT_PREFIX", **variables) == "[staging] "


@pytest.mark.parametrize("host", ["10.0.0.7", "app.rssystems.com"])
def test_the_health_check_accepts_any_host_over_plain_http(host: str, tmp_path: Path) -> None:
    code = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        f"print(Client().get('/healthz', headers={{'host': '{host}'}}).status_code)"
    )
    # Its database has no tables. A redirect would be 301, a refused host 400.
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    assert run(code, **{**PRODUCTION, **database}).stdout.strip() == "503"


STRANGERS = """
import django, json
django.setup()
from django.core import mail
from django.test import Client

many = "&".join(f"a{number}=x" for number in range(1001))
form = "application/x-www-form-urlencoded"
file = b'--x\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n1\\r\\n--x--\\r\\n'
client, mail.outbox = Client(raise_request_exception=False), []

def post(path, body, content_type):
    here = {"host": "app.rssystems.com"}
    return client.generic("POST", path, body, content_type, secure=True, headers=here).status_code

print(json.dumps([
    post("/login/", many, form),
    post("/login/", b"a=" + b"x" * 3_000_000, form),
    post("/login/?" + "&" * 1001, b"", form),
    post("/login/", file, "multipart/form-data; boundary=x; charset=hex"),
    post("/login/", file, "multipart/form-data; boundary="),
    client.get("/login/", secure=True, headers={"host": "evil.example"}).status_code,
    [message.subject for message in mail.outbox],
]))
"""


def test_malformed_requests_get_400_and_mail_no_administrator() -> None:
    backend = "django.core.mail.backends.locmem.EmailBackend"
    result = run(STRANGERS, **PRODUCTION, EMAIL_BACKEND=backend)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [*[400] * 6, []]
