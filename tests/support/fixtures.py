"""The fixtures that the tests of all apps share; tests/conftest.py registers them."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Task
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from apps.core import providers
from apps.core.audit import heartbeat
from apps.core.delivery import broker, retry, shutdown, turn
from apps.core.feedback import sns_envelope
from apps.core.guards import rate_limit
from apps.core.message import brand, kinds, wording
from apps.core.models import Delivery, Notification
from apps.core.providers import memory
from apps.core.services.notification import NotificationService
from apps.core.states import Channel, DeliveryState, Priority
from sandbox.testing import RunningSandbox, running_sandbox
from tests.support import signing
from tests.support.clients import aws
from tests.support.people import create_contact
from tests.support.signing import Signer
from tools.processes import wait_until


@pytest.fixture(autouse=True)
def _words_are_those_of_the_files() -> None:
    """As in a process that has just read which words are published, and found none."""
    wording._published._found, wording._published._until = {}, time.monotonic() + 3600


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    """Yield the sandbox for tests without options of their own; nothing gets its events."""
    with running_sandbox(0, "", None, "--events-delay=0") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def _shared_sns(shared_sandbox: RunningSandbox) -> Any:
    return aws(shared_sandbox)


@pytest.fixture
def running(shared_sandbox: RunningSandbox, _shared_sns: Any) -> RunningSandbox:
    """Return the shared sandbox as at its start: no messages, rules or opted-out numbers."""
    events = "the sandbox has posted its events"
    wait_until(lambda: shared_sandbox.health()["events"]["waiting"] == 0, events)
    shared_sandbox.clear()
    shared_sandbox.clear_rules()
    shared_sandbox.reset_account()
    for phone in _shared_sns.list_phone_numbers_opted_out()["phoneNumbers"]:
        shared_sandbox.opt_in(phone)
    return shared_sandbox


@pytest.fixture(autouse=True)
def _environments_brand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the brand be the environment's, without asking the database, until `brand.forget()`."""
    monkeypatch.setattr(brand, "_snapshot", brand.Snapshot({}, float("inf")))


@pytest.fixture(autouse=True)
def _words_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the published words for a whole test, so a slow one asks the database no oftener."""
    monkeypatch.setattr(wording._published, "kept_s", 3600.0)
    wording.forget()


@pytest.fixture
def memory_providers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keeps messages in memory, and lets a turn end when it has sent what was due at its start."""
    monkeypatch.setattr(turn, "LOOK_AGAIN_S", 3600.0)
    # What is refused for now must not be due again at once.
    monkeypatch.setattr(retry, "random", SimpleNamespace(random=lambda: 0.9))
    settings.EMAIL_BACKEND = "apps.core.providers.memory.EmailBackend"
    settings.SMS_BACKEND = "apps.core.providers.memory.SMS"
    settings.SMS_ENABLED = True
    providers.forget()
    memory.clear()
    yield
    providers.forget()


@pytest.fixture
def quiet_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one worker answer at once, and the sweep have just run: no alarm rings."""
    monkeypatch.setattr(broker, "workers", lambda: ["worker@tests"])
    monkeypatch.setattr(heartbeat, "age", lambda: timedelta(seconds=5))


@pytest.fixture
def no_rate_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives no rate slot, and tells a worker to stop when it has asked for one."""
    asked: list[object] = []

    def take(*arguments: Any, **_: Any) -> rate_limit.Answer:
        asked.append(arguments)
        return rate_limit.Answer([], 0.01)

    monkeypatch.setattr(rate_limit, "take", take)
    monkeypatch.setattr(shutdown, "is_requested", lambda: bool(asked))


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Makes users with a verified address and number; keywords change their contact."""
    made = 0

    def make(contact: bool = True, **changes: Any) -> User:
        nonlocal made
        made += 1
        user = get_user_model().objects.create_user(f"person{made}", first_name=f"Person {made}")
        if contact:
            create_contact(user, f"+1202555{made:04d}", **changes)
        return user

    return make


def sample(kind: str) -> dict[str, Any]:
    return kinds.get(kind).sample.model_dump()


@pytest.fixture
def delivery(person: Callable[..., User]) -> Callable[..., Delivery]:
    """Makes one due delivery, by default an e-mail, and wakes no worker for it."""

    def make(
        channel: Channel = Channel.EMAIL,
        priority: Priority | None = None,
        *,
        recipient: User | None = None,
        **values: Any,
    ) -> Delivery:
        if priority is None:
            priority = Priority.MEDIUM if channel == Channel.EMAIL else Priority.URGENT
        kind = kinds.get("repair_approved")
        notification = Notification.objects.create(
            recipient=recipient or person(),
            kind=kind.name,
            category=kind.category.name,
            priority=priority,
            context=kind.sample.model_dump(mode="json"),
            title="Approved",
            text="Approved",
            action_url="/repairs/1/",
        )
        return Delivery.objects.create(
            notification=notification,
            channel=channel,
            priority=priority,
            **{"state": DeliveryState.DUE, **values},
        )

    return make


@pytest.fixture
def story() -> Callable[[Delivery], list[str]]:
    """Returns the events of a delivery's log, in order."""
    return lambda row: list(row.log.values_list("event", flat=True))


@pytest.fixture
def notify() -> Callable[..., list[Notification]]:
    def call(recipients: Any, kind: str = "repair_approved", **options: Any) -> list[Notification]:
        return NotificationService().notify(
            kind, recipients, sample(kind), action_url="/repairs/1/", **options
        )

    return call


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Return the wake-ups that would have gone to the broker: task name and options."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def publish(task: Task[..., Any], **options: Any) -> None:
        calls.append((task.name, options))

    monkeypatch.setattr(Task, "apply_async", publish)
    return calls


@pytest.fixture(scope="session")
def signer() -> Signer:
    """Signs as SNS does, with a certificate at an address of SNS."""
    return Signer()


@pytest.fixture
def fetched(signer: Signer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the addresses of fetched certificates. Nothing leaves this process."""
    settings.AWS_EVENT_TOPIC_ARNS = [signing.TOPIC]
    addresses: list[str] = []

    def fetch(url: str) -> bytes:
        addresses.append(url)
        return signer.certificate

    monkeypatch.setattr(sns_envelope, "_fetch", fetch)
    sns_envelope._load_certificate.cache_clear()
    yield addresses
    sns_envelope._load_certificate.cache_clear()


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
