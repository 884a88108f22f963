"""From the call to SES and back: the sandbox's signed events over HTTP, by either transport."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from apps.core import providers
from apps.core.models import Delivery, ProviderEvent, Suppression
from apps.core.states import DeliveryState, LogEvent
from sandbox.testing import HOST, RunningSandbox, running_sandbox
from tests.support.attempts import attempt
from tests.support.services import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

Make = Callable[..., Delivery]


@pytest.fixture(scope="module")
def running(live_server: LiveServer) -> Iterator[RunningSandbox]:
    with running_sandbox(0, f"{live_server.url}/webhooks/aws/sns") as sandbox:
        yield sandbox


@pytest.fixture(params=["smtp", "ses-api"])
def sandbox(
    running: RunningSandbox,
    request: pytest.FixtureRequest,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> RunningSandbox:
    """Return the sandbox, to which e-mail goes by each of the two transports."""
    settings.EMAIL_BACKEND = settings.EMAIL_TRANSPORTS[request.param]
    settings.EMAIL_HOST, settings.EMAIL_PORT = HOST, running.smtp_port
    settings.SANDBOX_URL = running.url
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", running.aws_url)
    providers.forget()
    running.clear()
    running.clear_rules()
    return running


def becomes(row: Delivery, state: DeliveryState) -> None:
    wait_until(
        lambda: Delivery.objects.filter(pk=row.pk, state=state).exists(), f"it is {state}", 30
    )


@pytest.mark.parametrize(
    ("mailbox", "state", "suppressed"),
    [
        ("success", DeliveryState.DELIVERED, 0),
        ("bounce", DeliveryState.BOUNCED, 1),
        ("complaint", DeliveryState.COMPLAINED, 1),
    ],
)
def test_an_event_reaches_its_delivery(
    sandbox: RunningSandbox,
    delivery: Make,
    person: Callable[..., Any],
    mailbox: str,
    state: DeliveryState,
    suppressed: int,
) -> None:
    address = f"{mailbox}@simulator.amazonses.com"
    row = delivery(recipient=person(email=address, verified_email=address))
    attempt(row.pk)
    becomes(row, state)
    (kept,) = sandbox.messages()
    row.refresh_from_db()
    assert row.provider_message_id == kept["id"]
    event = ProviderEvent.objects.latest("occurred_at")
    assert (event.delivery_ref, event.attempt) == (row.pk, 1)
    assert event.provider_message_id == kept["id"]
    assert Suppression.objects.count() == suppressed


def test_a_message_with_a_lost_answer_is_settled_by_its_event(
    sandbox: RunningSandbox, delivery: Make, story: Callable[[Delivery], list[str]], settings: Any
) -> None:
    settings.EMAIL_TIMEOUT = 1
    row = delivery()
    sandbox.rule(channel="email", answer="accept_then_hang")
    attempt(row.pk)
    becomes(row, DeliveryState.DELIVERED)
    (kept,) = sandbox.messages()
    row.refresh_from_db()
    assert (row.provider_message_id, row.attempts) == (kept["id"], 1)
    assert story(row).count(LogEvent.CALLING) == 1
