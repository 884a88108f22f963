"""An account that is set up as it should be, and a heartbeat: nothing to complain about."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from apps.core import heartbeat, metrics
from apps.core.aws import doctor
from apps.core.models import Mark
from sandbox.testing import HOST, RunningSandbox

Lines = dict[str, doctor.Line]
SERVICES = ("SNS", "CLOUDWATCH_LOGS", "SESV2", "STS", "IAM", "CLOUDWATCH")


@pytest.fixture
def sandbox(
    running: RunningSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    """What the settings and boto3 are pointed to; set up as it should be at the start."""
    for service in SERVICES:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", running.aws_url)
    settings.EMAIL_BACKEND = settings.SES_BACKEND
    settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, running.smtp_port
    settings.EMAIL_RATE_LIMIT = 14.0
    settings.SMS_BACKEND = "apps.core.providers.sns.SNS"
    running.reset_account()
    running.account(subscription_endpoint=f"{settings.SITE_URL}/webhooks/aws/sns")
    yield running
    running.reset_account()


@pytest.fixture
def healthy(
    sandbox: RunningSandbox, db: None, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> RunningSandbox:
    """Beat has sent, and CloudWatch taken, what they should have.

    Without the one check that takes as long as it is patient: a worker has tests of its own."""
    checks = [check for check in doctor.CHECKS if check.id != "workers.online"]
    monkeypatch.setattr(doctor, "CHECKS", checks)
    redis.Redis.from_url(redis_url).flushall()
    heartbeat.stamp()
    Mark.objects.create(name=metrics.PUBLISHED, at=timezone.now())
    return sandbox


@pytest.fixture
def examine() -> Callable[[], Lines]:
    """Every line by its id."""
    return lambda: {line.check.id: line for line in doctor.examine().lines}


@pytest.fixture
def age_the_heartbeat(redis_url: str) -> Callable[[timedelta], None]:
    def age(by: timedelta) -> None:
        redis.Redis.from_url(redis_url).pexpire(heartbeat.KEY, heartbeat.LIFE - by)

    return age
