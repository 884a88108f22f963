"""A database of an earlier version is brought up to date, with rows in every state."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from apps.core.audit.ledger import ledger
from apps.core.models import Contact, NotificationDeliveryLog, ProviderEvent, Suppression
from apps.core.states import DeliveryState

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("core", "0005_contact_wants_email")]
#: The states of that version.
STATES = sorted(set(DeliveryState) - {DeliveryState.HELD, DeliveryState.FOLDED})
AT = datetime(2026, 11, 20, tzinfo=UTC)

#: A log entry of the earlier version (event, attempt, provider, detail), and its event, source and
#: detail now.
ENTRIES = [
    (("skipped", 0, "", "has no mobile number"), ("skipped", "notify", "has no mobile number")),
    (("calling", 1, "ses-smtp", ""), ("calling", "worker", "")),
    (("accepted", 1, "ses-smtp", ""), ("accepted", "worker", "")),
    (("accepted", 1, "ses", "the provider's report"), ("accepted", "event", "")),
    (("accepted", 1, "", "by the word of sam"), ("accepted", "person", "by the word of sam")),
    (("delivered", 1, "ses", "250 ok"), ("delivered", "event", "250 ok")),
    (("bounced", 1, "ses", "550 unknown"), ("bounced", "event", "550 unknown")),
    (("permanent", 1, "", "554 refused"), ("permanent", "worker", "554 refused")),
    (("permanent", 1, "ses", "Bad content"), ("permanent", "event", "Bad content")),
    (("lease_expired", 1, "", "after the call had begun"), ("lost_after_call", "sweep", "")),
    (("lease_expired", 1, "", "before the call"), ("lost_before_call", "sweep", "")),
    (
        ("resend", 1, "", "no word from the provider; it may arrive twice"),
        ("resend", "sweep", ""),
    ),
    (("resend", 1, "", "by sam"), ("resend", "person", "by sam")),
    (("left", 1, "", "no word from the provider"), ("left", "sweep", "")),
    (("transient", 1, "", "451 busy"), ("transient", "worker", "451 busy")),
]

#: An event of the earlier version (provider, kind, permanent, code, detail, recipient), and its
#: cause and whether it is simulated now.
EVENTS = [
    (("ses", "bounced", True, "Permanent General", "550", "a@b.example"), ("address", False)),
    (
        ("ses", "bounced", False, "Transient General", "452", "a@b.example"),
        ("temporary", False),
    ),
    (
        ("ses", "bounced", True, "Permanent OnAccountSuppressionList", "", "a@b.example"),
        ("own_list", False),
    ),
    (
        ("ses", "bounced", True, "Permanent General", "", "bounce@simulator.amazonses.com"),
        ("address", True),
    ),
    (
        ("sns", "bounced", True, "", "Phone is opted out", "+12025550100"),
        ("opted_out", False),
    ),
    (("sns", "bounced", False, "", "Phone is off", "+12025550100"), ("temporary", False)),
    (("ses", "delivered", False, "", "250 ok", "a@b.example"), ("", False)),
]


@pytest.fixture
def earlier() -> Iterator[Any]:
    """Yield the models of the earlier version, on its schema; migrate forward afterwards."""
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    yield executor.loader.project_state(BEFORE).apps
    call_command("migrate", verbosity=0)


def test_rows_in_each_state_are_converted_and_the_ledger_reads_them(earlier: Any) -> None:
    user = earlier.get_model("auth", "User").objects.create(username="jane")
    notification = earlier.get_model("core", "Notification").objects.create(
        recipient_id=user.pk, kind="k", category="c", priority=6, context={}, title="t", text="x"
    )
    deliveries = earlier.get_model("core", "Delivery").objects
    log = earlier.get_model("core", "NotificationDeliveryLog").objects
    events = earlier.get_model("core", "ProviderEvent").objects
    delivery = deliveries.create(
        notification_id=notification.pk, channel="email", priority=6, state="delivered", attempts=1
    )
    for state in STATES:
        other = earlier.get_model("core", "Notification").objects.create(
            recipient_id=user.pk, kind="k", category="c", priority=9, context={}, title="t", text=""
        )
        deliveries.create(notification_id=other.pk, channel="email", priority=9, state=state)
    for (event, attempt, provider, detail), _ in ENTRIES:
        log.create(
            delivery_id=delivery.pk,
            event=event,
            attempt=attempt,
            provider=provider,
            detail=detail,
        )
    for number, ((provider, kind, permanent, code, detail, recipient), _) in enumerate(EVENTS):
        events.create(
            fingerprint=str(number),
            provider=provider,
            provider_message_id=f"message-{number}",
            kind=kind,
            permanent=permanent,
            code=code,
            detail=detail,
            recipient=recipient,
            occurred_at=AT,
        )

    call_command("migrate", verbosity=0)

    entries = NotificationDeliveryLog.objects.order_by("id")
    assert list(entries.values_list("event", "source", "detail")) == [now for _, now in ENTRIES]
    kept = ProviderEvent.objects.order_by("id").values_list("cause", "is_simulated")
    assert list(kept) == [now for _, now in EVENTS]
    counted = ledger()
    assert counted.deliveries == 1 + len(STATES)
    assert counted.states["delivered"] == 2


def test_the_conversion_can_be_undone(earlier: Any) -> None:
    call_command("migrate", verbosity=0)
    MigrationExecutor(connection).migrate(BEFORE)


def test_addresses_are_converted_and_equal_suppressions_merged(db: None) -> None:
    executor = MigrationExecutor(connection)
    before = [("core", "0009_set_aside_and_replies")]
    executor.migrate(before)
    models = executor.loader.project_state(before).apps
    user = models.get_model("auth", "User").objects.create(username="jane")
    address, spelling = "jane@xn--bcher-kva.example", "jane@bücher.example"
    models.get_model("core", "Contact").objects.create(
        user_id=user.pk, email="Jane@Bücher.example", verified_email=spelling
    )
    suppression = models.get_model("core", "Suppression").objects
    suppression.create(channel="email", address=address, reason="bounce", until=AT)
    suppression.create(channel="email", address=spelling, reason="complaint")
    suppression.create(channel="sms", address="+12025550100", reason="opt_out")
    models.get_model("core", "ProviderEvent").objects.create(
        fingerprint="1", kind="bounced", provider="ses", recipient=spelling, occurred_at=AT
    )

    call_command("migrate", verbosity=0)

    contact = Contact.objects.get()
    assert contact.email == contact.verified_email == address
    assert ProviderEvent.objects.get().recipient == address
    standing = Suppression.objects.filter(lifted_at=None).order_by("channel")
    assert list(standing.values_list("address", "reason")) == [
        (address, "complaint"),
        ("+12025550100", "opt_out"),
    ]
