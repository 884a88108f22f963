"""Settings of staging and production: only what differs from development."""

from .refusal import refuse
from .settings import *  # noqa: F403
from .settings import (
    AWS_SES_REGION_NAME,
    CONSOLE_BACKEND,
    EMAIL_TRANSPORTS,
    ENVIRONMENT,
    MIDDLEWARE,
    SES_BACKEND,
    VALUES,
)

DEBUG = False

EMAIL_SUBJECT_PREFIX = f"[{ENVIRONMENT}] "
EMAIL_HOST = VALUES["AWS_SES_HOST"] or f"email-smtp.{AWS_SES_REGION_NAME}.amazonaws.com"
EMAIL_BACKEND = VALUES["EMAIL_BACKEND"] or SES_BACKEND
if ENVIRONMENT == "staging" and EMAIL_BACKEND not in (*EMAIL_TRANSPORTS.values(), CONSOLE_BACKEND):
    refuse(
        f"EMAIL_BACKEND is {EMAIL_BACKEND!r} in staging, where Django's own mail would bypass the "
        f"allow-list. Unset it; the default is {SES_BACKEND}."
    )

# Whitenoise's place is directly after SecurityMiddleware.
_after = MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1
MIDDLEWARE = [
    *MIDDLEWARE[:_after],
    "whitenoise.middleware.WhiteNoiseMiddleware",
    *MIDDLEWARE[_after:],
]
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
