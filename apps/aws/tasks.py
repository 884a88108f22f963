"""The Celery tasks that look at the AWS account."""

from celery import shared_task
from django.conf import settings

from apps.core.audit import alerts

from . import pricing
from .doctor import watch
from .reconciliation import differences


@shared_task(name="apps.aws.tasks.reconcile_with_aws")
def reconcile_with_aws() -> None:
    # The sandbox forgets its counts when it stops.
    if settings.ENVIRONMENT != "development":
        alerts.send_differences(differences.differences())
        pricing.read_plan()


@shared_task(name="apps.aws.tasks.read_quota")
def read_quota() -> None:
    if settings.ENVIRONMENT != "development":
        watch.read_quota()


@shared_task(name="apps.aws.tasks.examine_account")
def examine_account() -> None:
    # A developer's machine has no account, and fails most checks.
    if settings.ENVIRONMENT != "development":
        watch.examine()
