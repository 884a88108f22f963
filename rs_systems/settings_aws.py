"""Settings of staging and production: only what differs from development."""

from . import environment
from .environment import env
from .refusal import refuse
from .settings import *  # noqa: F403
from .settings import (
    AWS_SES_REGION_NAME,
    CONSOLE_BACKEND,
    EMAIL_TRANSPORTS,
    MIDDLEWARE,
    SES_BACKEND,
    SNS_BACKEND,
    SNS_TRUST_SANDBOX,
)

ENVIRONMENT = environment.load()
DEBUG = False
SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", subcast=str.strip)
SITE_URL = env.str("SITE_URL")

# settings.py has a default for it.
env.str("DATABASE_URL")
if SNS_TRUST_SANDBOX:
    refuse(
        f"SNS_TRUST_SANDBOX is set in {ENVIRONMENT}: everyone who has the sandbox could forge "
        "SES's events. Unset it."
    )

EMAIL_SUBJECT_PREFIX = f"[{ENVIRONMENT}] "
EMAIL_HOST = env.str("AWS_SES_HOST", f"email-smtp.{AWS_SES_REGION_NAME}.amazonaws.com")
EMAIL_BACKEND = env.str("EMAIL_BACKEND", SES_BACKEND)
if ENVIRONMENT == "staging" and EMAIL_BACKEND not in (*EMAIL_TRANSPORTS.values(), CONSOLE_BACKEND):
    refuse(
        f"EMAIL_BACKEND is {EMAIL_BACKEND!r} in staging, where Django's own mail would bypass the "
        f"allow-list. Unset it; the default is {SES_BACKEND}."
    )
SMS_BACKEND = env.str("SMS_BACKEND", SNS_BACKEND)
CLOUDWATCH_METRICS = env.bool("CLOUDWATCH_METRICS", True)

CELERY_BROKER_URL = env.redis_url("CELERY_BROKER_URL")
CELERY_WORKER_CONCURRENCY = env.int("CELERY_CONCURRENCY", 8)

# Whitenoise's place is directly after SecurityMiddleware.
MIDDLEWARE = [*MIDDLEWARE[:2], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[2:]]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
