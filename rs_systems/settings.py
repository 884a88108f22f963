"""Settings of development, and the base of settings_aws. docs/configuration.md explains them."""

import ssl
from datetime import time
from decimal import Decimal
from typing import Any

from kombu import Queue

from web import limits

from . import environment, variables
from .variables import BASE_DIR, VAR_DIR

ENVIRONMENT = environment.load()
environment.check_settings_module(ENVIRONMENT)
#: Each environment variable's value, by name.
VALUES = variables.read(ENVIRONMENT)
DEBUG = True
SECRET_KEY = VALUES["SECRET_KEY"]
ALLOWED_HOSTS = VALUES["ALLOWED_HOSTS"]
SITE_URL = VALUES["SITE_URL"]
# environment.py has read the secret by now. rotation.py reads it again after these seconds.
AWS_SECRETS_NAME = VALUES["AWS_SECRETS_NAME"]
AWS_SECRETS_REFRESH_S = VALUES["AWS_SECRETS_REFRESH_S"]

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "apps.site.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "apps.core",
    "apps.aws",
    "apps.site",
    "apps.people",
    "apps.office",
    "apps.repairs",
]
if ENVIRONMENT == "development":
    INSTALLED_APPS += ["apps.demo", "sandbox.inbox"]

MIDDLEWARE = [
    "apps.site.middleware.RequestIdMiddleware",
    # Early, because a load balancer sends an IP address as host, over plain HTTP.
    "apps.site.middleware.HealthCheckMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # Against BREACH it adds random bytes, and Django's CSRF token differs in each page.
    "django.middleware.gzip.GZipMiddleware",
    "apps.site.middleware.PrivatePageMiddleware",
    "apps.site.middleware.ContentSecurityPolicyMiddleware",
    "apps.site.middleware.UnreadableRequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.site.middleware.ReaderMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

# Of a form; wsgi.py limits every other body.
DATA_UPLOAD_MAX_MEMORY_SIZE = limits.MAX_BODY_BYTES

ROOT_URLCONF = "rs_systems.urls"
WSGI_APPLICATION = "rs_systems.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "rs_systems" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.site.context_processors.shell",
                "apps.people.bell.context",
                "apps.office.strip.context",
            ]
        },
    }
]
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "rs_systems" / "static"]

# --- Database -----------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **VALUES["DATABASE_URL"],
        "CONN_MAX_AGE": VALUES["DATABASE_CONN_MAX_AGE"],
        "CONN_HEALTH_CHECKS": True,
    }
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    if DATABASES["default"]["NAME"] == str(VAR_DIR / "db.sqlite3"):
        VAR_DIR.mkdir(exist_ok=True)
    # Several processes write to one file. WAL lets readers go on, and IMMEDIATE makes a writing
    # transaction wait at its start instead of failing in its middle.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
else:
    # A database host that disappears must not hold a request for minutes.
    _options: dict[str, Any] = {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        **DATABASES["default"].get("OPTIONS", {}),
    }
    if VALUES["DATABASE_PGBOUNCER"]:
        # In transaction mode, each statement may reach another connection of the server, and
        # PgBouncer refuses start-up options.
        DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
    else:
        _limits = [
            f"-c statement_timeout={VALUES['DATABASE_STATEMENT_TIMEOUT_S']}s",
            f"-c lock_timeout={VALUES['DATABASE_LOCK_TIMEOUT_S']}s",
            # A process that stands still inside a transaction, as on a frozen machine, would keep
            # its rows from all others.
            f"-c idle_in_transaction_session_timeout={VALUES['DATABASE_STATEMENT_TIMEOUT_S']}s",
        ]
        _options["options"] = " ".join([*_limits, _options.get("options", "")]).strip()
    DATABASES["default"]["OPTIONS"] = _options
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "repairs:home"
LOGOUT_REDIRECT_URL = "login"
# The first one refuses too many attempts before the second looks at the password.
AUTHENTICATION_BACKENDS = [
    "apps.site.throttle.ThrottleBackend",
    "apps.site.accounts.NameOrAddressBackend",
]
# Seconds that a link to a new password is valid.
PASSWORD_RESET_TIMEOUT = 3600
# How many proxies in front of the site append to X-Forwarded-For.
TRUSTED_PROXIES = VALUES["TRUSTED_PROXIES"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# The languages of pages and messages; docs/languages.md says how to add one.
LANGUAGES = [("en", "English"), ("es", "Español")]
LANGUAGE_CODE = "en"
USE_I18N = True
FORMAT_MODULE_PATH = ["rs_systems.formats"]
# Named here too, so that our words win over those of Django's apps.
LOCALE_PATHS = sorted((BASE_DIR / "apps").glob("*/locale"))
USE_TZ = True
TIME_ZONE = VALUES["TIME_ZONE"]

# --- Notifications ------------------------------------------------------------------------------
# The page that shows a person's notifications.
INBOX_URL = "notifications:inbox"
# The page where people choose what reaches them, a path: the footer of every e-mail leads there.
ACCOUNT_URL = "/account/"
# The page that shows whether messages flow, a path: messages about alarms lead there.
COCKPIT_URL = "/office/"
# The brand until the office changes it, and whatever it leaves empty: apps/core/message/brand.py.
BRAND_NAME = VALUES["BRAND_NAME"]
BRAND_ACCENT = VALUES["BRAND_ACCENT"]
# Shown on pages and in messages that tell people to call the office.
OFFICE_PHONE = VALUES["OFFICE_PHONE"]
POSTAL_ADDRESS = VALUES["POSTAL_ADDRESS"]
SUPPORT_HOURS = VALUES["SUPPORT_HOURS"]
BRAND_FOOTER = VALUES["BRAND_FOOTER"]
# Receives server errors, alarms and reconciliation's findings.
ADMIN_EMAIL = VALUES["ADMIN_EMAIL"]
ADMINS = [("Administrator", ADMIN_EMAIL)]
# Staging sends to these only: addresses, @domains and E.164 numbers.
STAGING_ALLOWED_RECIPIENTS: list[str] = VALUES["STAGING_ALLOWED_RECIPIENTS"]
# Days that the delivery log of a finished delivery is kept.
DELIVERY_LOG_RETENTION_DAYS = VALUES["DELIVERY_LOG_RETENTION_DAYS"]
# Days that a notification is kept, with its deliveries and its context.
NOTIFICATION_RETENTION_DAYS = VALUES["NOTIFICATION_RETENTION_DAYS"]
# Seconds that a worker may hold a delivery. Longer than the hard limit of a send task.
DELIVERY_LEASE_S = VALUES["DELIVERY_LEASE_S"]
# Hours after it was first due that a delivery is still retried.
RETRY_HORIZON_URGENT_H = VALUES["RETRY_HORIZON_URGENT_H"]
RETRY_HORIZON_H = VALUES["RETRY_HORIZON_H"]
# Seconds that a delivery of unknown outcome waits for the provider's event, by "channel" or
# "channel:priority", and the ones that are then sent again. The others are left for a person.
UNKNOWN_DEADLINE_S: dict[str, int] = VALUES["UNKNOWN_DEADLINE_S"]
UNKNOWN_RESEND = VALUES["UNKNOWN_RESEND"]

# --- E-mail -------------------------------------------------------------------------------------
# US dollars for 1,000 e-mails; None: by the account's plan, as last read.
SES_PRICE_USD_PER_1000: Decimal | None = VALUES["SES_PRICE_USD_PER_1000"]
# E-mails per second, for the whole account. Stay under what SES grants (MaxSendRate).
EMAIL_RATE_LIMIT = VALUES["EMAIL_RATE_LIMIT"]


def connections(configured: int | None, rate: float) -> int:
    """Return how many calls a process makes at a time: enough for the rate if each takes 0.5 s."""
    return configured or min(10, max(2, round(rate / 2)))


EMAIL_CONNECTIONS = connections(VALUES["EMAIL_CONNECTIONS"], float(EMAIL_RATE_LIMIT))
DEFAULT_FROM_EMAIL = VALUES["DEFAULT_FROM_EMAIL"]
DEFAULT_FROM_NAME = VALUES["DEFAULT_FROM_NAME"]
EMAIL_REPLY_TO = VALUES["EMAIL_REPLY_TO"]
SERVER_EMAIL = DEFAULT_FROM_EMAIL
AWS_SES_REGION_NAME = VALUES["AWS_SES_REGION"]
AWS_SES_CONFIGURATION_SET = VALUES["AWS_SES_CONFIGURATION_SET"]
# Whether to synchronize our suppressions with SES's own list.
AWS_SES_SUPPRESSION_LIST = VALUES["AWS_SES_SUPPRESSION_LIST"]
if AWS_SES_SUPPRESSION_LIST is None:
    AWS_SES_SUPPRESSION_LIST = bool(AWS_SES_CONFIGURATION_SET)

# The webhook accepts messages of these SNS topics only. The specification has one topic for bounces
# and one for complaints; one topic for all events works too.
AWS_EVENT_TOPIC_ARNS = [
    *VALUES["AWS_SES_EVENT_TOPIC_ARNS"],
    *filter(None, [VALUES["AWS_SES_BOUNCE_TOPIC_ARN"], VALUES["AWS_SES_COMPLAINT_TOPIC_ARN"]]),
]
# The SQS queue that subscribes to those topics.
AWS_SES_EVENT_QUEUE_URL = VALUES["AWS_SES_EVENT_QUEUE_URL"]
# Development only: the sandbox's address, and whether the webhook accepts its signature.
SANDBOX_URL = VALUES["SANDBOX_URL"]
SNS_TRUST_SANDBOX = VALUES["SNS_TRUST_SANDBOX"]

# SES takes e-mail over SMTP, with a user and password of its own, or by its API, with the
# credentials that boto3 finds.
EMAIL_TRANSPORTS = {
    "smtp": "apps.core.providers.ses_smtp.EmailBackend",
    "ses-api": "apps.core.providers.ses_api.EmailBackend",
}
EMAIL_TRANSPORT = VALUES["EMAIL_TRANSPORT"]
SES_BACKEND = EMAIL_TRANSPORTS[EMAIL_TRANSPORT]
CONSOLE_BACKEND = "django.core.mail.backends.console.EmailBackend"
EMAIL_HOST = VALUES["AWS_SES_HOST"]
_goes_to_ses = EMAIL_HOST or EMAIL_TRANSPORT == "ses-api"
EMAIL_BACKEND = VALUES["EMAIL_BACKEND"] or (SES_BACKEND if _goes_to_ses else CONSOLE_BACKEND)
EMAIL_PORT = VALUES["AWS_SES_PORT"]
EMAIL_HOST_USER = VALUES["AWS_SES_SMTP_USER"]
EMAIL_HOST_PASSWORD = VALUES["AWS_SES_SMTP_PASSWORD"]
# SES speaks TLS from the first byte on these two ports, and STARTTLS on the others.
AWS_SES_TLS = VALUES["AWS_SES_TLS"] or ("implicit" if EMAIL_PORT in (465, 2465) else "starttls")
EMAIL_USE_SSL = AWS_SES_TLS == "implicit"
EMAIL_USE_TLS = AWS_SES_TLS == "starttls"
EMAIL_TIMEOUT = VALUES["EMAIL_TIMEOUT"]

# --- SMS ----------------------------------------------------------------------------------------
AWS_SNS_REGION_NAME = VALUES["AWS_SNS_REGION"]
SMS_ENABLED = VALUES["SMS_ENABLED"]
SNS_BACKEND = "apps.core.providers.sns.SNS"
SMS_BACKEND = VALUES["SMS_BACKEND"]
SMS_SENDER_ID = VALUES["SMS_SENDER_ID"].replace(" ", "")
# The log group to which SNS writes SMS receipts. Failures are in a second group beside it.
SMS_DELIVERY_LOG_GROUP = VALUES["SMS_DELIVERY_LOG_GROUP"]
# US dollars: all text messages of a month, one part by country, and the most that a part may cost,
# which is also the price of a country that is not listed.
SMS_MONTHLY_SPEND_LIMIT_USD = VALUES["SMS_MONTHLY_SPEND_LIMIT_USD"]
# The share of that limit that is kept for urgent messages. The warning at 80 % comes first.
SMS_URGENT_RESERVE = VALUES["SMS_URGENT_RESERVE"]
SMS_PRICES_USD: dict[str, Decimal] = VALUES["SMS_PRICES_USD"]
SMS_MAX_PRICE_USD = VALUES["SMS_MAX_PRICE_USD"]
# Text messages that the actions of one person, or about one company's repairs, may cause in an
# hour. Above it people are told by e-mail and in the app.
SMS_LIMIT_PER_PERSON_H = VALUES["SMS_LIMIT_PER_PERSON_H"]
SMS_LIMIT_PER_COMPANY_H = VALUES["SMS_LIMIT_PER_COMPANY_H"]
# The hours, in the recipient's time zone, in which texts that are not urgent are sent; None: all.
SMS_HOURS: tuple[time, time] | None = VALUES["SMS_HOURS"]
# Messages that one person may get in an hour, over all kinds; 0 is no limit. What is over is sent
# as one message.
SMS_CAP_PER_PERSON_H = VALUES["SMS_CAP_PER_PERSON_H"]
EMAIL_CAP_PER_PERSON_H = VALUES["EMAIL_CAP_PER_PERSON_H"]
# The hour of the daily digest, in the person's time zone, for those who chose none.
DIGEST_HOUR = VALUES["DIGEST_HOUR"]
# Parts of text messages per second, for the whole account.
SMS_RATE_LIMIT = VALUES["SMS_RATE_LIMIT"]
SMS_CONNECTIONS = connections(VALUES["SMS_CONNECTIONS"], float(SMS_RATE_LIMIT))
# While Redis is away, each process uses this fraction of the account's rate.
RATE_LIMIT_SHARES = VALUES["RATE_LIMIT_SHARES"]

# --- Repairs ------------------------------------------------------------------------------------
# A final cost above the estimate by more than this share needs a new approval.
COST_OVERRUN_SHARE: Decimal = VALUES["COST_OVERRUN_SHARE"]
# Hours after which people are reminded of an approval that waits: the managers, the office.
APPROVAL_REMINDER_H = VALUES["APPROVAL_REMINDER_H"]
APPROVAL_OVERDUE_H = VALUES["APPROVAL_OVERDUE_H"]

# --- Metrics ------------------------------------------------------------------------------------
# Whether to publish our metrics to CloudWatch, in the Region of SES.
CLOUDWATCH_METRICS = VALUES["CLOUDWATCH_METRICS"]
# The bearer token of /metrics. Without one, there is no such page.
METRICS_TOKEN = VALUES["METRICS_TOKEN"]

# --- Alarms -------------------------------------------------------------------------------------
# A phone that is texted, besides the e-mail to ADMIN_EMAIL, when an alarm starts and ends.
ONCALL_PHONE = VALUES["ONCALL_PHONE"]
# Shares of e-mails; percentages of SES's quota, the month's budget, texts, attempts and tasks.
ALARM_BOUNCE_SHARE: Decimal = VALUES["ALARM_BOUNCE_SHARE"]
ALARM_COMPLAINT_SHARE: Decimal = VALUES["ALARM_COMPLAINT_SHARE"]
ALARM_QUOTA_PERCENT = VALUES["ALARM_QUOTA_PERCENT"]
ALARM_SMS_SPEND_PERCENT = VALUES["ALARM_SMS_SPEND_PERCENT"]
ALARM_SMS_FAILURE_PERCENT = VALUES["ALARM_SMS_FAILURE_PERCENT"]
ALARM_SMS_PER_HOUR = VALUES["ALARM_SMS_PER_HOUR"]
ALARM_WORKERS_EXPECTED = VALUES["ALARM_WORKERS_EXPECTED"]
ALARM_ATTEMPT_FAILURE_PERCENT = VALUES["ALARM_ATTEMPT_FAILURE_PERCENT"]
ALARM_TASK_FAILURE_PERCENT = VALUES["ALARM_TASK_FAILURE_PERCENT"]
# Fewer failures than this are no alarm, whatever their share.
ALARM_FAILURES_AT_LEAST = VALUES["ALARM_FAILURES_AT_LEAST"]
ALARM_QUEUE_DEPTH = VALUES["ALARM_QUEUE_DEPTH"]
# Seconds that an urgent message may be due without a worker, and that the sweep may be silent.
ALARM_URGENT_WAIT_S = VALUES["ALARM_URGENT_WAIT_S"]
ALARM_BEAT_SILENT_S = VALUES["ALARM_BEAT_SILENT_S"]

# --- Celery -------------------------------------------------------------------------------------
CELERY_BROKER_URL = VALUES["CELERY_BROKER_URL"]
if CELERY_BROKER_URL.startswith("rediss://"):
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_RESULT_BACKEND = VALUES["CELERY_RESULT_BACKEND"] or None
if CELERY_RESULT_BACKEND and CELERY_RESULT_BACKEND.startswith("rediss://"):
    # Celery refuses a rediss:// URL without this.
    CELERY_REDIS_BACKEND_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_TASK_IGNORE_RESULT = CELERY_RESULT_BACKEND is None
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = VALUES["CELERY_TIMEZONE"]
CELERY_ENABLE_UTC = True

# A worker started without -Q reads both queues, `notifications` before `housekeeping` at the same
# priority. Without its own routing key a queue would get the other's tasks too.
CELERY_TASK_DEFAULT_QUEUE = "notifications"
CELERY_TASK_QUEUES = [
    Queue(name, routing_key=name) for name in (CELERY_TASK_DEFAULT_QUEUE, "housekeeping")
]
CELERY_TASK_CREATE_MISSING_QUEUES = False
# The first pattern that matches counts.
CELERY_TASK_ROUTES = {
    "apps.core.tasks.send_notification_*": {"queue": "notifications"},
    "rs_systems.celery.debug_task": {"queue": "notifications"},
    "apps.core.tasks.*": {"queue": "housekeeping"},
    "apps.aws.tasks.*": {"queue": "housekeeping"},
    "apps.office.tasks.*": {"queue": "housekeeping"},
}
CELERY_TASK_DEFAULT_PRIORITY = 6

CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ALWAYS_EAGER = VALUES["CELERY_TASK_ALWAYS_EAGER"]
CELERY_TASK_EAGER_PROPAGATES = True

# A publisher tries once and gives up within a second. The delivery's row is due, so the sweep finds
# it.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 0}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    # Above twice the hard time limit. The shortest of all applications on one Redis counts.
    "visibility_timeout": 900,
    "queue_order_strategy": "priority",
    "socket_connect_timeout": 0.5,
    "socket_timeout": 0.5,
    "health_check_interval": 5,
}
WORKER_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
}
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

CELERY_WORKER_CONCURRENCY = VALUES["CELERY_CONCURRENCY"]
CELERY_WORKER_MAX_TASKS_PER_CHILD = VALUES["CELERY_MAX_TASKS_PER_CHILD"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# For Flower.
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_TASK_SEND_SENT_EVENT = True

DEFAULT_EXCEPTION_REPORTER_FILTER = "apps.core.redaction.URLHidingFilter"

# --- Logs ---------------------------------------------------------------------------------------
LOG_DIR = VALUES["LOG_DIR"]
_console = {"class": "logging.StreamHandler"}
_file = {
    # Several processes share the file, and the standard rotating handler would garble it.
    "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
    "filename": f"{LOG_DIR}/celery.log",
    "maxBytes": 10 * 1024 * 1024,
    "backupCount": 5,
}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "apps.core.redaction.RedactingFormatter", "form": VALUES["LOG_FORMAT"]}
    },
    "filters": {"production_only": {"()": "django.utils.log.RequireDebugFalse"}},
    "handlers": {
        "mail_admins": {
            "class": "apps.core.redaction.RedactingAdminEmailHandler",
            "level": "ERROR",
            "filters": ["production_only"],
        },
        "main": (_file if LOG_DIR else _console) | {"level": "INFO", "formatter": "line"},
    },
    "root": {"handlers": ["main"], "level": "INFO"},
    "loggers": {
        "celery": {"level": "INFO"},
        # It logs at each new client where it found its credentials.
        "botocore": {"level": "WARNING"},
        "django": {"handlers": ["mail_admins"], "level": "INFO"},
        # Don't e-mail admins about malformed requests: anybody can send those.
        "django.security": {"handlers": ["main"], "propagate": False},
        "django.server": {"handlers": ["main"], "level": "INFO", "propagate": False},
    },
}

if VALUES["SENTRY_DSN"]:
    # Here, because the SDK takes a while to import and most sites have none.
    from . import sentry

    sentry.start(VALUES["SENTRY_DSN"], ENVIRONMENT)
