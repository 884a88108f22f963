from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from apps.core.delivery.attempt import attempt
from apps.core.feedback import provider_events
from apps.core.guards import suppressions
from apps.core.models import Contact, Delivery, ProviderEvent, Suppression
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import memory
from apps.core.states import Channel, DeliveryState, EventCause, EventKind, Priority

Make = Callable[..., Delivery]
_numbers = count(1)
JANE = "jane@fleet.example"


@pytest.fixture
def jane(person: Callable[..., User]) -> User:
    return person(email=JANE, verified_email=JANE)


def apply_event(row: Delivery | None, kind: EventKind, **values: Any) -> None:
    fields = {
        "fingerprint": str(next(_numbers)),
        "kind": kind,
        "provider": "ses",
        "provider_message_id": "ses-1",
        "delivery_ref": row and row.pk,
        "attempt": 1 if row else None,
        "recipient": JANE,
        "occurred_at": timezone.now(),
    }
    provider_events.receive([ProviderEvent(**{**fields, **values})])


def bounce(
    row: Delivery | None, *, cause: EventCause = EventCause.TEMPORARY, **values: Any
) -> None:
    apply_event(row, EventKind.BOUNCED, cause=cause, detail="550 5.1.1 unknown", **values)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(EventKind.BOUNCED, "messages to it bounce"), (EventKind.COMPLAINED, "its owner complained")],
)
def test_after_a_lasting_bounce_or_complaint_the_next_message_is_skipped(
    delivery: Make, jane: User, kind: EventKind, reason: str
) -> None:
    first, second = delivery(recipient=jane), delivery(recipient=jane)
    attempt(first.pk)
    apply_event(first, kind, cause=EventCause.ADDRESS)
    attempt(second.pk)
    after = Delivery.objects.get(pk=second.pk)
    assert after.state == DeliveryState.SKIPPED
    assert after.reason.startswith(f"address is suppressed: {reason}")
    assert after.log.get().detail == after.reason
    assert len(memory.emails) == 1


@pytest.mark.parametrize("spelled", [JANE, JANE.title()])
def test_a_complaint_withdraws_consent_for_later_addresses_too(
    delivery: Make, jane: User, person: Callable[..., User], spelled: str
) -> None:
    other = person()
    Contact.objects.filter(user=jane).update(email=spelled, verified_email=spelled)
    apply_event(delivery(recipient=jane), EventKind.COMPLAINED)
    assert not Contact.objects.get(user=jane).wants_email
    assert Contact.objects.get(user=other).wants_email
    suppressions.lift(Suppression.objects.get(), "sam")
    Contact.objects.filter(user=jane).update(email="new@x.example", verified_email="new@x.example")
    row = delivery(recipient=jane)
    attempt(row.pk)
    row.refresh_from_db()
    assert (row.state, row.reason) == (
        DeliveryState.SKIPPED,
        "this person complained about a message",
    )


def test_a_bounce_withdraws_no_consent(delivery: Make, jane: User) -> None:
    bounce(delivery(recipient=jane), cause=EventCause.ADDRESS)
    assert Contact.objects.get(user=jane).wants_email


def test_the_third_temporary_bounce_in_a_month_suppresses(delivery: Make, jane: User) -> None:
    rows = [delivery(recipient=jane) for _ in range(4)]
    bounce(rows[0], occurred_at=timezone.now() - timedelta(days=31))
    bounce(rows[1])
    bounce(rows[2])
    assert not Suppression.objects.exists()
    bounce(rows[3])
    row = Suppression.objects.get()
    assert (row.address, row.reason, row.channel) == (JANE, "bounce", "email")
    assert row.until
    days = row.until - timezone.now()
    assert timedelta(days=13, hours=23) < days <= timedelta(days=14)


def test_a_pause_ends_by_itself(delivery: Make, jane: User) -> None:
    past = timezone.now() - timedelta(seconds=1)
    suppressions.suppress(Channel.EMAIL, JANE, SuppressionReason.BOUNCE, until=past)
    row = delivery(recipient=jane)
    attempt(row.pk)
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.ACCEPTED


@pytest.mark.parametrize("first", [True, False])
def test_a_suppression_may_lose_its_end_and_never_gets_one(db: None, first: bool) -> None:
    soon = timezone.now() + timedelta(days=1)
    for until in (None, soon) if first else (soon, None):
        suppressions.suppress(Channel.EMAIL, JANE, SuppressionReason.BOUNCE, until=until)
    assert Suppression.objects.get().until is None


def test_the_number_of_the_same_person_is_another_matter(delivery: Make, jane: User) -> None:
    suppressions.suppress(Channel.EMAIL, JANE, SuppressionReason.BOUNCE)
    row = delivery(Channel.SMS, recipient=jane)
    attempt(row.pk)
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.ACCEPTED


def test_an_email_stands_in_if_the_number_is_suppressed(delivery: Make, jane: User) -> None:
    suppressions.suppress(Channel.SMS, jane.contact.phone, SuppressionReason.BOUNCE)
    row = delivery(Channel.SMS, Priority.HIGH, recipient=jane)
    instead = attempt(row.pk)
    assert instead
    assert instead.channel == Channel.EMAIL


def test_an_event_of_another_sender_s_message_suppresses_nothing(delivery: Make) -> None:
    bounce(None, cause=EventCause.ADDRESS, provider_message_id="foreign")
    assert not Suppression.objects.exists()


def test_a_new_address_of_the_same_person_is_written_to(delivery: Make, jane: User) -> None:
    suppressions.suppress(Channel.EMAIL, JANE, SuppressionReason.BOUNCE)
    jane.contact.email = jane.contact.verified_email = "jane@new.example"
    jane.contact.save()
    row = delivery(recipient=jane)
    attempt(row.pk)
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.ACCEPTED


def test_a_lift_by_the_office_forgives_earlier_bounces(
    delivery: Make, jane: User, admin_client: Any
) -> None:
    rows = [delivery(recipient=jane) for _ in range(5)]
    for row in rows[:3]:
        bounce(row)
    answer = admin_client.post(
        reverse("admin:core_suppression_changelist"),
        {"action": "lift", "_selected_action": [Suppression.objects.get().pk]},
        follow=True,
    )
    assert "1 of 1 suppressions are lifted." in answer.content.decode()
    assert Suppression.objects.get().lifted_by == "admin"
    attempt(rows[4].pk)
    assert Delivery.objects.get(pk=rows[4].pk).state == DeliveryState.ACCEPTED
    bounce(rows[3])
    assert not Suppression.objects.in_force().exists()
    bounce(rows[4], cause=EventCause.ADDRESS)
    assert Suppression.objects.in_force().count() == 1
    assert not suppressions.lift(Suppression.objects.exclude(lifted_at=None).get(), "late")


def test_an_event_from_before_the_lift_does_not_suppress_again(delivery: Make, jane: User) -> None:
    row = delivery(recipient=jane)
    happened = timezone.now()
    bounce(row, cause=EventCause.ADDRESS)
    suppressions.lift(Suppression.objects.get(), "office")
    bounce(row, cause=EventCause.ADDRESS, occurred_at=happened)
    assert not Suppression.objects.in_force().exists()


@pytest.mark.parametrize("reported", ["jane@xn--bcher-kva.example", "Jane@Bücher.example"])
def test_a_domain_in_punycode_is_the_same_domain(
    delivery: Make, person: Callable[..., User], reported: str
) -> None:
    address = "jane@bücher.example"
    row = delivery(recipient=person(email=address, verified_email=address))
    suppressions.suppress(Channel.EMAIL, reported, SuppressionReason.BOUNCE)
    attempt(row.pk)
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.SKIPPED


def test_the_log_does_not_name_the_address(
    delivery: Make, jane: User, caplog: pytest.LogCaptureFixture
) -> None:
    bounce(delivery(recipient=jane), cause=EventCause.ADDRESS)
    assert "address suppressed" in caplog.text
    assert "jane" not in caplog.text.lower()
