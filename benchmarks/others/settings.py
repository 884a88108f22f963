"""Django's settings for django-post_office, with its own defaults, and for the plain task."""

import os

import dj_database_url

from ..message import TEMPLATES as MESSAGE

SECRET_KEY = "measured-only-not-a-secret"  # noqa: S105
DEBUG = False
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "post_office",
    "benchmarks.others",
]
DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=600)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [MESSAGE],
        "APP_DIRS": True,
    }
]
EMAIL_HOST = os.environ["AWS_SES_HOST"]
EMAIL_PORT = int(os.environ["AWS_SES_PORT"])
DEFAULT_FROM_EMAIL = "RS Systems <notifications@rssystems.com>"
CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"]
