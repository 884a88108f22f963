"""That each environment variable does what docs/configuration.md says, in a process of its own."""

import json
import os
import re
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rs_systems.refusal import CANNOT_START

ROOT = Path(__file__).parent.parent
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "k9$Zp2-vX7qLw4mT8rB1nC6yH3sJ5dF0gAeUiOoPzQxWcVbNmMlKkJhGfDs",
    "ALLOWED_HOSTS": "app.rssystems.com",
    "SITE_URL": "https://app.rssystems.com",
    "DATABASE_URL": "postgres://rs:secret@db.example:5432/rs",
    "CELERY_BROKER_URL": "rediss://cache.example:6379/0",
    "AWS_SES_SMTP_USER": "user",
    "AWS_SES_SMTP_PASSWORD": "password",
}
PRINT = """
import json, sys
from django.conf import settings
print(json.dumps([getattr(settings, name) for name in sys.argv[1:]], default=str))
"""


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these variables alone, in a folder that has no .env."""
    names = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    prefix = "from rs_systems import environment; environment.configure()\n"
    return subprocess.run(
        [sys.executable, "-c", prefix + code, *arguments],
        env=inherited | {"ENV_FILE": os.devnull} | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def setting(name: str, **variables: str) -> object:
    result = run(PRINT, name, **variables)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)[0]


#: Each variable with a value that is not its default, and the settings that must follow.
VARIABLES: dict[str, tuple[str, dict[str, object]]] = {
    "SITE_URL": ("https://x.example", {"SITE_URL": "https://x.example"}),
    "ALLOWED_HOSTS": ("a.example, b.example", {"ALLOWED_HOSTS": ["a.example", "b.example"]}),
    "SECRET_KEY": ("s3", {"SECRET_KEY": "s3"}),
    "DATABASE_CONN_MAX_AGE": ("0", {}),
    "TIME_ZONE": ("America/Chicago", {"TIME_ZONE": "America/Chicago"}),
    "BRAND_NAME": ("Glass Co", {"BRAND_NAME": "Glass Co"}),
    "BRAND_ACCENT": ("#ff0000", {"BRAND_ACCENT": "#ff0000"}),
    "ADMIN_EMAIL": ("a@x.example", {"ADMINS": [["Administrator", "a@x.example"]]}),
    "STAGING_ALLOWED_RECIPIENTS": (
        "@x.example,+12025550123",
        {"STAGING_ALLOWED_RECIPIENTS": ["@x.example", "+12025550123"]},
    ),
    "DELIVERY_LOG_RETENTION_DAYS": ("7", {"DELIVERY_LOG_RETENTION_DAYS": 7}),
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
        "arn:all, arn:more",
        {"AWS_EVENT_TOPIC_ARNS": ["arn:all", "arn:more", "arn:bounces", "arn:complaints"]},
    ),
    "AWS_SES_EVENT_QUEUE_URL": (
        "https://sqs.us-east-1.amazonaws.com/1/q",
        {"AWS_SES_EVENT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/q"},
    ),
    "AWS_SES_BOUNCE_TOPIC_ARN": ("arn:bounces", {}),
    "AWS_SES_COMPLAINT_TOPIC_ARN": ("arn:complaints", {}),
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
    "SMS_RATE_LIMIT": ("3", {"SMS_RATE_LIMIT": 3.0}),
    "RATE_LIMIT_SHARES": ("4", {"RATE_LIMIT_SHARES": 4}),
    "SMS_MONTHLY_SPEND_LIMIT_USD": ("120.50", {"SMS_MONTHLY_SPEND_LIMIT_USD": "120.50"}),
    "SMS_URGENT_RESERVE": ("0.15", {"SMS_URGENT_RESERVE": "0.15"}),
    "SMS_PRICES_USD": (
        "US=0.0105, GB=0.04",
        {"SMS_PRICES_USD": {"US": "0.0105", "GB": "0.04"}},
    ),
    "SMS_MAX_PRICE_USD": ("0.10", {"SMS_MAX_PRICE_USD": "0.10"}),
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


def test_a_database_connection_is_kept_as_long_as_the_variable_says() -> None:
    databases = setting("DATABASES", **{**PRODUCTION, "DATABASE_CONN_MAX_AGE": "5"})
    assert isinstance(databases, dict)
    assert databases["default"]["CONN_MAX_AGE"] == 5
    assert databases["default"]["CONN_HEALTH_CHECKS"] is True
    assert databases["default"]["ENGINE"] == "django.db.backends.postgresql"


def test_every_variable_that_the_settings_read_is_tested_here_and_documented() -> None:
    sources = [
        (ROOT / "rs_systems" / name).read_text() for name in ("settings.py", "settings_aws.py")
    ]
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', "".join(sources)))
    # tests/test_secret.py is about the last of these.
    assert read - {"DATABASE_URL", "LOG_DIR", "AWS_SECRETS_NAME"} == set(VARIABLES)
    documented = (ROOT / "docs" / "configuration.md").read_text()
    assert {name for name in read if f"`{name}`" not in documented} == set()


@pytest.mark.parametrize(("name", "expected"), [("", False), ("ours", True)])
def test_ses_s_own_list_is_read_where_a_configuration_set_shows_that_e_mail_goes_by_ses(
    name: str, expected: bool
) -> None:
    variables = {**PRODUCTION, "AWS_SES_CONFIGURATION_SET": name}
    assert setting("AWS_SES_SUPPRESSION_LIST", **variables) is expected
    variables["AWS_SES_SUPPRESSION_LIST"] = str(not expected)
    assert setting("AWS_SES_SUPPRESSION_LIST", **variables) is not expected


def test_metrics_are_published_outside_development_unless_told() -> None:
    assert setting("CLOUDWATCH_METRICS", **PRODUCTION) is True
    assert setting("CLOUDWATCH_METRICS", **PRODUCTION, CLOUDWATCH_METRICS="false") is False


@pytest.mark.parametrize(("port", "tls"), [("25", True), ("587", True), ("465", False)])
def test_the_port_picks_the_form_of_tls(port: str, tls: bool) -> None:
    result = run(PRINT, "EMAIL_USE_TLS", "EMAIL_USE_SSL", **{**PRODUCTION, "AWS_SES_PORT": port})
    assert json.loads(result.stdout) == [tls, not tls]


@pytest.mark.parametrize("variable", ["SMS_ENABLED", "AWS_SES_PORT", "CELERY_CONCURRENCY"])
def test_a_value_of_the_wrong_type_is_refused_with_the_variable_s_name(variable: str) -> None:
    result = run(PRINT, "DEBUG", ENVIRONMENT="development", **{variable: "maybe"})
    assert result.returncode != 0
    assert f'"{variable}"' in result.stderr


@pytest.mark.parametrize(
    "prices", ["US", "US=", "US=free", "US=-1", "us=0.01", "USA=0.01", "US=NaN", "US=1,US=2"]
)
def test_a_price_that_is_none_is_refused_with_the_variable_s_name(prices: str) -> None:
    result = run(PRINT, "DEBUG", ENVIRONMENT="development", SMS_PRICES_USD=prices)
    assert result.returncode != 0
    assert '"SMS_PRICES_USD" invalid: write each country once' in result.stderr


def test_the_environment_picks_the_settings() -> None:
    assert setting("DEBUG", ENVIRONMENT="development") is True
    assert setting("DEBUG", **PRODUCTION) is False
    assert setting("ENVIRONMENT", **{**PRODUCTION, "ENVIRONMENT": "staging"}) == "staging"


def test_use_aws_db_means_production_as_the_specification_s_commands_have_it() -> None:
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
        "ENVIRONMENT is 'prod'; it must be one of development, staging, production."
    ]


@pytest.mark.parametrize(
    "missing", ["SECRET_KEY", "ALLOWED_HOSTS", "SITE_URL", "DATABASE_URL", "CELERY_BROKER_URL"]
)
def test_production_does_not_start_without_what_it_needs(missing: str) -> None:
    variables = {name: value for name, value in PRODUCTION.items() if name != missing}
    result = run(PRINT, "DEBUG", **variables)
    assert result.returncode != 0
    assert f'"{missing}"' in result.stderr


@pytest.mark.parametrize("name", ["development", "staging", "production"])
def test_an_unknown_way_to_ses_is_refused_in_one_sentence(name: str) -> None:
    result = run(PRINT, "DEBUG", **{**PRODUCTION, "ENVIRONMENT": name, "EMAIL_TRANSPORT": "api"})
    assert result.returncode == CANNOT_START
    assert result.stderr.strip().splitlines() == [
        "EMAIL_TRANSPORT is 'api'; it must be smtp or ses-api."
    ]


@pytest.mark.parametrize("name", ["staging", "production"])
def test_what_the_sandbox_signs_is_believed_in_development_alone(name: str) -> None:
    result = run(PRINT, "DEBUG", **{**PRODUCTION, "ENVIRONMENT": name, "SNS_TRUST_SANDBOX": "true"})
    assert result.returncode == CANNOT_START
    assert f"SNS_TRUST_SANDBOX is set, and this is {name}" in result.stderr


def test_production_sends_through_ses_and_sns_of_its_region() -> None:
    variables = {**PRODUCTION, "AWS_SES_REGION": "eu-west-1"}
    assert setting("EMAIL_HOST", **variables) == "email-smtp.eu-west-1.amazonaws.com"
    assert setting("EMAIL_BACKEND", **variables) == "apps.core.providers.ses_smtp.EmailBackend"
    assert setting("SMS_BACKEND", **variables) == "apps.core.providers.sns.SNS"
    assert setting("CELERY_WORKER_CONCURRENCY", **variables) == 8


def test_by_the_api_of_ses_production_needs_neither_host_nor_user_nor_password() -> None:
    variables = {
        "EMAIL_TRANSPORT": "ses-api",
        "AWS_SES_SMTP_USER": "",
        "AWS_SES_SMTP_PASSWORD": "",
        "AWS_SES_HOST": "",
    }
    backend = "apps.core.providers.ses_api.EmailBackend"
    assert setting("EMAIL_BACKEND", **{**PRODUCTION, **variables}) == backend
    assert check(**variables).returncode == 0


def test_what_is_set_for_smtp_does_no_harm_to_the_api() -> None:
    assert check(EMAIL_TRANSPORT="ses-api", AWS_SES_TLS="none").returncode == 0


def test_development_goes_by_the_api_of_ses_where_it_is_told_to() -> None:
    variables = {"ENVIRONMENT": "development", "EMAIL_TRANSPORT": "ses-api", "AWS_SES_HOST": ""}
    assert setting("EMAIL_BACKEND", **variables) == "apps.core.providers.ses_api.EmailBackend"


def test_connections_to_the_database_are_kept_and_looked_at_before_they_are_used_again() -> None:
    databases = setting("DATABASES", **PRODUCTION)
    assert isinstance(databases, dict)
    assert databases["default"]["CONN_MAX_AGE"] == 600
    assert databases["default"]["CONN_HEALTH_CHECKS"] is True


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
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
}


def test_production_s_pages_come_over_https_with_the_headers_that_protect_them() -> None:
    result = run(ASK_FOR_THE_SIGN_IN, **PRODUCTION)
    assert result.returncode == 0, result.stderr
    (plain, redirect), (status, headers), cookies = json.loads(result.stdout)
    assert (plain, redirect["Location"]) == (301, "https://app.rssystems.com/login/")
    assert status == 200
    assert headers | PROTECTION == headers
    assert cookies == {"csrftoken": True}
    assert setting("SESSION_COOKIE_SECURE", **PRODUCTION) is True
    assert setting("SESSION_COOKIE_HTTPONLY", **PRODUCTION) is True


def test_a_result_backend_over_tls_verifies_the_certificate_without_being_told() -> None:
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
    assert f"EMAIL_BACKEND is '{backend}', and this is staging" in result.stderr


def test_the_inbox_of_the_sandbox_exists_in_development_alone() -> None:
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


@pytest.mark.parametrize(
    ("variables", "finding"),
    [
        ({"CELERY_TASK_ALWAYS_EAGER": "true"}, "notifications.E011"),
        ({"AWS_SES_TLS": "none"}, "notifications.E012"),
        ({"SITE_URL": "http://app.rssystems.com"}, "notifications.E013"),
        ({"DJANGO_SETTINGS_MODULE": "rs_systems.settings"}, "notifications.E010"),
        ({"AWS_SES_TLS": "yes"}, "notifications.E001"),
        ({"SMS_ENABLED": "true", "SMS_SENDER_ID": "12345"}, "notifications.E002"),
        ({"DELIVERY_LEASE_S": "45"}, "notifications.E003"),
        ({"BRAND_ACCENT": "blue"}, "notifications.E004"),
        ({"EMAIL_RATE_LIMIT": "0"}, "notifications.E005"),
        ({"RETRY_HORIZON_H": "-1"}, "notifications.E005"),
        ({"AWS_SECRETS_REFRESH_S": "0"}, "notifications.E005"),
        ({"UNKNOWN_RESEND": "email,sms:urgnt"}, "notifications.E006"),
        ({"UNKNOWN_DEADLINE_S": "600,fax=60"}, "notifications.E006"),
        ({"SITE_URL": "app.rssystems.com"}, "notifications.E007"),
        ({"AWS_SES_BOUNCE_TOPIC_ARN": "bounces"}, "notifications.E017"),
        ({"SMS_BACKEND": "apps.nowhere.SMS"}, "notifications.E008"),
        ({"SMS_MONTHLY_SPEND_LIMIT_USD": "0"}, "notifications.E009"),
        ({"SMS_MONTHLY_SPEND_LIMIT_USD": "10000000"}, "notifications.E009"),
        ({"SMS_PRICES_USD": "US=0"}, "notifications.E016"),
        ({"SMS_PRICES_USD": "US=0.51"}, "notifications.E016"),
        ({"SMS_PRICES_USD": "UK=0.04"}, "notifications.E016"),
        ({"AWS_SES_SMTP_PASSWORD": ""}, "notifications.E015"),
        (
            {
                "EMAIL_TRANSPORT": "ses-api",
                "EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend",
            },
            "notifications.E018",
        ),
        ({"EMAIL_BACKEND": "apps.core.providers.ses_api.EmailBackend"}, "notifications.E018"),
        ({"CELERY_BROKER_URL": "rediss://r.example/0?ssl_cert_reqs=none"}, "notifications.E019"),
        (
            {"CELERY_BROKER_URL": "rediss://r.example/0?ssl_check_hostname=false"},
            "notifications.E019",
        ),
        (
            {"CELERY_RESULT_BACKEND": "rediss://r.example/1?ssl_cert_reqs=CERT_NONE"},
            "notifications.E019",
        ),
        ({"ENVIRONMENT": "staging"}, "notifications.W014"),
    ],
)
def test_the_system_check_finds_what_must_not_be(variables: dict[str, str], finding: str) -> None:
    result = check(**variables)
    assert result.returncode != 0
    assert finding in result.stderr


def test_the_system_check_finds_nothing_in_a_sound_production() -> None:
    assert check().returncode == 0


def check(**variables: str) -> subprocess.CompletedProcess[str]:
    code = "from django.core.management import call_command; import django; django.setup()\n"
    code += "call_command('check', fail_level='WARNING')"
    return run(code, **{**PRODUCTION, **variables})


def test_the_files_of_the_environment_reach_boto3_as_well() -> None:
    result = run("import os; print(os.environ['AWS_ENDPOINT_URL_SNS'])", ENVIRONMENT="development")
    assert result.stdout.strip() == "http://127.0.0.1:9912"


@pytest.mark.parametrize("transport", ["smtp", "ses-api"])
def test_django_s_own_mail_to_the_administrator_does_not_reach_a_stranger_from_staging(
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
def test_a_load_balancer_s_question_is_answered_whatever_the_host_and_without_https(
    host: str, tmp_path: Path
) -> None:
    code = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        f"print(Client().get('/healthz', headers={{'host': '{host}'}}).status_code)"
    )
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    assert run(code, **{**PRODUCTION, **database}).stdout.strip() == "200"


def test_every_answer_of_production_carries_its_security_headers(tmp_path: Path) -> None:
    code = (
        "import django, json; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from django.conf import settings\n"
        # Their names are made by collectstatic, which has not run.
        "plain_files = 'django.contrib.staticfiles.storage.StaticFilesStorage'\n"
        "settings.STORAGES['staticfiles']['BACKEND'] = plain_files\n"
        "from django.test import Client\n"
        "plain = Client().get('/login/', headers={'host': 'app.rssystems.com'})\n"
        "page = Client().get('/login/', secure=True, headers={'host': 'app.rssystems.com'})\n"
        "cookie = page.cookies['csrftoken']\n"
        "print(json.dumps([plain.headers['Location'], dict(page.headers), cookie['secure'],"
        " settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY]))"
    )
    database = {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    result = run(code, **{**PRODUCTION, **database})
    assert result.returncode == 0, result.stderr
    location, headers, *cookies = json.loads(result.stdout.splitlines()[-1])
    assert location == "https://app.rssystems.com/login/"
    assert cookies == [True, True, True]
    expected = {
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }
    assert {name: headers.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    "client",
    [
        "from rs_systems.celery import app\n"
        "app.connection_for_write().ensure_connection(max_retries=1, timeout=5)",
        "from apps.core.guards import rate_limit; rate_limit.client().ping()",
        "from apps.core.audit import heartbeat; heartbeat._client().ping()",
        "from apps.aws.doctor import redis_server; redis_server.client().ping()",
    ],
)
def test_a_redis_whose_certificate_nobody_vouches_for_is_not_talked_to(
    client: str, tmp_path: Path
) -> None:
    with impostor(tmp_path) as port:
        variables = {**PRODUCTION, "CELERY_BROKER_URL": f"rediss://127.0.0.1:{port}/0"}
        result = run(f"import django; django.setup()\n{client}", **variables)
    assert "CERTIFICATE_VERIFY_FAILED" in result.stderr


@contextmanager
def impostor(folder: Path) -> Iterator[int]:
    """The port of a TLS server with a certificate that it has made by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "pem").write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as talk:
                talk.recv(1)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


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


def test_what_a_stranger_sends_amiss_is_a_400_and_no_mail_to_the_administrator() -> None:
    backend = "django.core.mail.backends.locmem.EmailBackend"
    result = run(STRANGERS, **PRODUCTION, EMAIL_BACKEND=backend)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [*[400] * 6, []]
