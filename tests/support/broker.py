"""Point this process's publishers and its Redis client at another address."""

from functools import cache, partial

import pytest
from celery import current_app
from django.conf import settings

from apps.core import redis_client
from apps.core.delivery import wakeups


def use_broker(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish to this URL, with no connection kept from before, until the test's end."""
    monkeypatch.setattr(current_app.conf, "broker_write_url", url)
    monkeypatch.setattr(current_app.amqp, "_producer_pool", None)
    monkeypatch.setattr(current_app, "_pool", None)
    monkeypatch.setattr(settings, "CELERY_BROKER_URL", url)
    monkeypatch.setattr(redis_client, "shared", cache(partial(redis_client.client, 0.5)))
    monkeypatch.setattr(wakeups, "_broker_rests_until", 0.0)


def try_broker_again() -> None:
    """Let this process publish at once, although the broker failed just now."""
    wakeups._broker_rests_until = 0.0
