from collections.abc import Callable, Iterator
from typing import Any

import pytest

from apps.core.webhooks import sns_message

from . import signing
from .signing import Signer


@pytest.fixture(scope="session")
def signer() -> Signer:
    """Signs as SNS does; its certificate is at an address of SNS."""
    return Signer()


@pytest.fixture(autouse=True)
def fetched(signer: Signer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The addresses from which a certificate was asked for; nothing is asked for in truth."""
    settings.AWS_EVENT_TOPIC_ARNS = [signing.TOPIC]
    addresses: list[str] = []

    def fetch(url: str) -> bytes:
        addresses.append(url)
        return signer.certificate

    monkeypatch.setattr(sns_message, "_fetched", fetch)
    sns_message._certificate.cache_clear()
    yield addresses
    sns_message._certificate.cache_clear()


@pytest.fixture
def post(client: Any, db: None) -> Callable[..., Any]:
    """Posts a body to the endpoint as SNS does."""

    def call(body: str | bytes, **headers: str) -> Any:
        return client.post(
            "/webhooks/aws/sns",
            body,
            content_type="text/plain; charset=UTF-8",
            headers={"x-amz-sns-message-type": "Notification", **headers},
        )

    return call
