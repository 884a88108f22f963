"""Development, and the base of every other environment. docs/configuration.md says it in words."""

import ssl
from decimal import Decimal
from typing import Any

from . import environment
from .environment import BASE_DIR, env
from .refusal import refuse

ENVIRONMENT = environment.load()
DEBUG = True
SECRET_KEY = env.str("SECRET_KEY", "development-only-not-a-secret-0123456789-abcdefghij")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], subcast=str.strip)
SITE_URL = env.str("SITE_URL", "http://localhost:8000")
# The secret in AWS Secrets Manager that environment.py has read by now, and the seconds after which
# it is asked again.
AWS_SECRETS_NAME = env.str("AWS_SECRETS_NAME", "")
AWS_SECRETS_REFRESH_S = env.int("AWS_SECRETS_REFRESH_S", 300)
VAR_DIR = BASE_DIR / "var"

INSTALLED_APPS = [
    "django.contrib.admin",
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
    # First: a load balancer asks by address and over plain HTTP.
    "apps.site.middleware.HealthCheckMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.site.middleware.ContentSecurityPolicyMiddleware",
    "apps.site.middleware.UnreadableRequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.site.middleware.ReaderTimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

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
            ]
        },
    }
]
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "rs_systems" / "static"]

# --- Database -----------------------------------------------------------------------------------
DATABASES = {
    "default": env.dj_db_url(
        "DATABASE_URL",
        f"sqlite:///{VAR_DIR / 'db.sqlite3'}",
        conn_max_age=env.int("DATABASE_CONN_MAX_AGE", 600),
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    if DATABASES["default"]["NAME"] == str(VAR_DIR / "db.sqlite3"):
        VAR_DIR.mkdir(exist_ok=True)
    # Several processes write to one file: readers must not block, and a transaction that means
    # to write must queue at its start rather than fail in its middle.
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
else:
    # A database that went away without a word must not hold a request for minutes.
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "repairs:home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", "America/New_York")

# --- Notifications ------------------------------------------------------------------------------
BRAND_NAME = env.str("BRAND_NAME", "RS Systems")
BRAND_ACCENT = env.str("BRAND_ACCENT", "#0b5cad")
# Hears of errors in the site (Django's own mail to the administrators), and of the text messages'
# budget.
ADMIN_EMAIL = env.str("ADMIN_EMAIL", "admin@rssystems.com")
ADMINS = [("Administrator", ADMIN_EMAIL)]
# Staging sends to these only: addresses, @domains and E.164 numbers.
STAGING_ALLOWED_RECIPIENTS: list[str] = env.list("STAGING_ALLOWED_RECIPIENTS", [])
# Days that the delivery log of a finished delivery is kept.
DELIVERY_LOG_RETENTION_DAYS = env.int("DELIVERY_LOG_RETENTION_DAYS", 90)
# Seconds that a worker may hold a delivery; longer than the hard limit of a send task.
DELIVERY_LEASE_S = env.int("DELIVERY_LEASE_S", 60)
# Hours after it was first due that a delivery is still retried.
RETRY_HORIZON_URGENT_H = env.int("RETRY_HORIZON_URGENT_H", 4)
RETRY_HORIZON_H = env.int("RETRY_HORIZON_H", 24)
# Seconds that a delivery of unknown outcome waits for the provider's word, by "channel" or
# "channel:priority", and those that are sent again after it; the others are left for a person.
UNKNOWN_DEADLINE_S: dict[str, int] = env.seconds(
    "UNKNOWN_DEADLINE_S", "600,email:urgent=120,sms:urgent=60"
)
UNKNOWN_RESEND = env.list("UNKNOWN_RESEND", ["email", "sms:urgent"])

# --- E-mail -------------------------------------------------------------------------------------
# E-mails per second, for the whole account. Stay under what SES grants (MaxSendRate).
EMAIL_RATE_LIMIT = env.float("EMAIL_RATE_LIMIT", 14.0)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "notifications@rssystems.com")
DEFAULT_FROM_NAME = env.str("DEFAULT_FROM_NAME", "RS Systems")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
AWS_SES_REGION_NAME = env.str("AWS_SES_REGION", "us-east-1")
AWS_SES_CONFIGURATION_SET = env.str("AWS_SES_CONFIGURATION_SET", "")
# Whether SES's own suppression list is read into ours, and what is lifted here taken off there.
AWS_SES_SUPPRESSION_LIST = env.bool("AWS_SES_SUPPRESSION_LIST", bool(AWS_SES_CONFIGURATION_SET))

# The SNS topics whose messages about our e-mails are believed. The specification has one for
# bounces and one for complaints; one for all events does as well.
AWS_EVENT_TOPIC_ARNS = [
    *env.list("AWS_SES_EVENT_TOPIC_ARNS", [], subcast=str.strip),
    *filter(None, [env.str("AWS_SES_BOUNCE_TOPIC_ARN", "")]),
    *filter(None, [env.str("AWS_SES_COMPLAINT_TOPIC_ARN", "")]),
]
# The SQS queue that those topics are subscribed to, where events come by one.
AWS_SES_EVENT_QUEUE_URL = env.str("AWS_SES_EVENT_QUEUE_URL", "")
# Where the sandbox is, and whether what it signs is believed: in development alone.
SANDBOX_URL = env.str("SANDBOX_URL", "")
SNS_TRUST_SANDBOX = env.bool("SNS_TRUST_SANDBOX", False)

# How SES is given e-mails: over SMTP, with a user and password of its own, or by its API, with the
# credentials that boto3 finds.
EMAIL_TRANSPORTS = {
    "smtp": "apps.core.providers.ses_smtp.EmailBackend",
    "ses-api": "apps.core.providers.ses_api.EmailBackend",
}
EMAIL_TRANSPORT = env.str("EMAIL_TRANSPORT", "smtp")
if EMAIL_TRANSPORT not in EMAIL_TRANSPORTS:
    refuse(f"EMAIL_TRANSPORT is {EMAIL_TRANSPORT!r}; it must be {' or '.join(EMAIL_TRANSPORTS)}.")
SES_BACKEND = EMAIL_TRANSPORTS[EMAIL_TRANSPORT]
CONSOLE_BACKEND = "django.core.mail.backends.console.EmailBackend"
EMAIL_HOST = env.str("AWS_SES_HOST", "")
_goes_to_ses = EMAIL_HOST or EMAIL_TRANSPORT == "ses-api"
EMAIL_BACKEND = env.str("EMAIL_BACKEND", SES_BACKEND if _goes_to_ses else CONSOLE_BACKEND)
EMAIL_PORT = env.int("AWS_SES_PORT", 587)
EMAIL_HOST_USER = env.str("AWS_SES_SMTP_USER", "")
EMAIL_HOST_PASSWORD = env.str("AWS_SES_SMTP_PASSWORD", "")
# SES speaks TLS from the first byte on these two ports and STARTTLS on the others.
AWS_SES_TLS = env.str("AWS_SES_TLS", "implicit" if EMAIL_PORT in (465, 2465) else "starttls")
EMAIL_USE_SSL = AWS_SES_TLS == "implicit"
EMAIL_USE_TLS = AWS_SES_TLS == "starttls"
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", 10)

# --- SMS ----------------------------------------------------------------------------------------
AWS_SNS_REGION_NAME = env.str("AWS_SNS_REGION", "us-east-1")
SMS_ENABLED = env.bool("SMS_ENABLED", False)
SNS_BACKEND = "apps.core.providers.sns.SNS"
SMS_BACKEND = env.str("SMS_BACKEND", "apps.core.providers.console.SMSConsole")
# SNS refuses a space, so the specification's "RS Systems" goes out as "RSSystems".
SMS_SENDER_ID = env.str("SMS_SENDER_ID", "RSSystems").replace(" ", "")
# Where SNS writes what became of each: its log group for successes; failures stand beside it.
SMS_DELIVERY_LOG_GROUP = env.str("SMS_DELIVERY_LOG_GROUP", "")
# US dollars: for all text messages of a month, for one part by country, and for a part to a country
# that is not among them.
SMS_MONTHLY_SPEND_LIMIT_USD = env.decimal("SMS_MONTHLY_SPEND_LIMIT_USD", Decimal(50))
# The share of that limit which is kept for urgent messages. The warning at 80 % must come first.
SMS_URGENT_RESERVE = env.decimal("SMS_URGENT_RESERVE", Decimal("0.1"))
if not (SMS_URGENT_RESERVE.is_finite() and 0 <= SMS_URGENT_RESERVE < Decimal("0.2")):
    refuse(f"SMS_URGENT_RESERVE is {SMS_URGENT_RESERVE}; it must be at least 0 and below 0.2.")
SMS_PRICES_USD: dict[str, Decimal] = env.prices("SMS_PRICES_USD", "US=0.00645")
SMS_MAX_PRICE_USD = env.decimal("SMS_MAX_PRICE_USD", Decimal("0.50"))
# Parts of text messages per second, for the whole account.
SMS_RATE_LIMIT = env.float("SMS_RATE_LIMIT", 10.0)
# Among how many processes a limit is divided while Redis, which keeps the account's pace, is away.
RATE_LIMIT_SHARES = env.int("RATE_LIMIT_SHARES", 16)

# --- Metrics ------------------------------------------------------------------------------------
# Whether our own metrics are published to CloudWatch, in the Region of SES.
CLOUDWATCH_METRICS = env.bool("CLOUDWATCH_METRICS", False)

# --- Celery -------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.redis_url("CELERY_BROKER_URL", "redis://localhost:6379/0")
if CELERY_BROKER_URL.startswith("rediss://"):
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_RESULT_BACKEND = env.redis_url("CELERY_RESULT_BACKEND", "") or None
if CELERY_RESULT_BACKEND and CELERY_RESULT_BACKEND.startswith("rediss://"):
    # Without it Celery refuses a rediss:// that does not say so itself.
    CELERY_REDIS_BACKEND_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_TASK_IGNORE_RESULT = CELERY_RESULT_BACKEND is None
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = env.str("CELERY_TIMEZONE", "America/New_York")
CELERY_ENABLE_UTC = True

# The only queue, and the default one, so that a worker started without -Q reads it.
CELERY_TASK_DEFAULT_QUEUE = "notifications"
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ROUTES = {
    "apps.core.tasks.*": {"queue": "notifications"},
    "apps.aws.tasks.*": {"queue": "notifications"},
    "rs_systems.celery.debug_task": {"queue": "notifications"},
}
CELERY_TASK_DEFAULT_PRIORITY = 6

CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ALWAYS_EAGER = env.bool("CELERY_TASK_ALWAYS_EAGER", False)
CELERY_TASK_EAGER_PROPAGATES = True

# Publishing tries once and gives up within a second: the delivery's row is due, and the sweep
# finds it.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 0}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    # Above twice the hard time limit; the shortest among the applications on one Redis rules.
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

CELERY_WORKER_CONCURRENCY = env.int("CELERY_CONCURRENCY", 4)
CELERY_WORKER_MAX_TASKS_PER_CHILD = env.int("CELERY_MAX_TASKS_PER_CHILD", 1000)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# What Flower shows.
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_TASK_SEND_SENT_EVENT = True

DEFAULT_EXCEPTION_REPORTER_FILTER = "apps.core.redaction.URLHidingFilter"

# --- Logs ---------------------------------------------------------------------------------------
LOG_DIR = env.str("LOG_DIR", "")
_console = {"class": "logging.StreamHandler"}
_file = {
    # Several processes share the file, which the standard rotating handler would garble.
    "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
    "filename": f"{LOG_DIR}/celery.log",
    "maxBytes": 10 * 1024 * 1024,
    "backupCount": 5,
}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "apps.core.redaction.RedactingFormatter"}},
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
        # Says at each new client where it found its credentials.
        "botocore": {"level": "WARNING"},
        "django": {"handlers": ["mail_admins"], "level": "INFO"},
        # What strangers send amiss must not fill the administrator's mailbox, nor use up the quota.
        "django.security": {"handlers": ["main"], "propagate": False},
        "django.server": {"handlers": ["main"], "level": "INFO", "propagate": False},
    },
}
