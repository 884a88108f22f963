"""An account that is set up as it should be, and a heartbeat: nothing to complain about."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from apps.aws.account import Account
from apps.aws.doctor import checks, examination
from apps.aws.stack import change_set, stack
from apps.core.audit import heartbeat, metrics
from apps.core.models import Mark
from sandbox.testing import HOST, RunningSandbox
from tests.support.cloudformation import CloudFormation
from tests.support.doctor import Lines
from tools.endpoints import endpoints


@pytest.fixture(autouse=True)
def _in_memory(memory_providers: None) -> None:
    """Keep in memory what the tests give to the providers."""


@pytest.fixture
def sandbox(
    running: RunningSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    """Yield what the settings and boto3 are pointed to; set up correctly at the start."""
    for name, url in endpoints(running.aws_url).items():
        monkeypatch.setenv(name, url)
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
    """Let beat have sent, and CloudWatch taken, what they should have.

    Without the one check that takes as long as it is patient: a worker has tests of its own."""
    without = [check for check in checks.CHECKS if check.id != "workers.online"]
    monkeypatch.setattr(checks, "CHECKS", without)
    redis.Redis.from_url(redis_url).flushall()
    heartbeat.stamp()
    Mark.objects.create(name=metrics.PUBLISHED, at=timezone.now())
    return sandbox


@pytest.fixture
def examine() -> Callable[[], Lines]:
    """Return the doctor's lines by their ids."""
    return lambda: {line.check.id: line for line in examination.examine()}


@pytest.fixture
def age_the_heartbeat(redis_url: str) -> Callable[[timedelta], None]:
    def age(by: timedelta) -> None:
        redis.Redis.from_url(redis_url).pexpire(heartbeat.KEY, heartbeat.LIFE - by)

    return age


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return every call to AWS, as `service:Action`."""
    made: list[str] = []
    called = Account._call

    def note(
        self: Account,
        service: str,
        action: str,
        region: str,
        parameters: dict[str, Any],
        endpoint: str | None = None,
    ) -> Any:
        made.append(f"{service}:{action}")
        return called(self, service, action, region, parameters, endpoint)

    monkeypatch.setattr(Account, "_call", note)
    return made


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    """Stand in for CloudFormation; every call that was expected must have come."""
    made = CloudFormation()
    client = Account._client
    monkeypatch.setattr(
        Account,
        "_client",
        lambda self, service, *where: (
            made.client if service == "cloudformation" else client(self, service, *where)
        ),
    )
    monkeypatch.setattr(change_set, "POLL_S", 0)
    monkeypatch.setattr(stack, "POLL_S", 0)
    yield made
    made.assert_all_came()
