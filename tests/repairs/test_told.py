"""Whom each step of a repair told, on its page, for the office."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.models import Delivery
from apps.core.reasons import Reason
from apps.core.states import DeliveryState
from apps.repairs import services
from apps.repairs.models import Repair, Status
from apps.repairs.told import add_to
from tests.support.queries import statements


def page(user: User, repair: Repair) -> str:
    client = Client()
    client.force_login(user)
    return client.get(f"/repairs/{repair.pk}/").content.decode()


@pytest.fixture
def office(cast) -> User:
    User.objects.filter(pk=cast.sam.user_id).update(is_staff=True, is_superuser=True)
    return User.objects.get(pk=cast.sam.user_id)


def test_the_office_reads_whom_each_step_told_and_what_became_of_it(office, repair, cast):
    approved = repair(Status.APPROVED)
    way = Delivery.objects.get(
        notification__recipient=cast.jane.user,
        notification__kind="repair_approved",
        channel="email",
    )
    way.state, way.reason = DeliveryState.BOUNCED, "550 5.1.1 user unknown"
    way.save()
    shown = page(office, approved)
    assert "Told Jane Ortiz: E-mail: came back, no such mailbox; Text message:" in shown
    assert "Told Maria Alvarez: " in shown
    # The text may still reach her, and no one misses what was settled: nothing to do.
    assert 'data-testid="fix"' not in shown
    Delivery.objects.filter(notification=way.notification).update(
        state=DeliveryState.SKIPPED, decision=Reason.NO_CONSENT
    )
    shown = page(office, approved)
    assert f'href="/office/people/{cast.jane.user_id}/" data-testid="fix"' in shown


def test_nobody_else_reads_it(repair, cast):
    approved = repair(Status.APPROVED)
    for person in (cast.maria, cast.jane, cast.sam):
        assert "Told " not in page(person.user, approved)


def test_what_a_sibling_of_the_batch_caused_stands_at_the_step_alike(office, request_batch, cast):
    batch = request_batch("95.00", "120.00")
    services.approve_batch(batch, by=cast.maria)
    for each in batch.repairs.all():
        events = list(each.events.all())
        add_to(events, each)
        told = {event.action: [t.notification.kind for t in event.told] for event in events}
        assert "batch_approved" in told["approved"]
        assert sum(len(event.told) for event in events) > len(told["approved"])


def test_a_long_history_needs_the_same_statements(office, repair):
    counts = []
    for status in (Status.AWAITING_APPROVAL, Status.COMPLETED):
        shown = repair(status)
        page(office, shown)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page(office, shown)
        counts.append(len(statements(captured)))
    assert counts[0] + 1 >= counts[1]


def test_the_story_costs_three_statements(repair, django_assert_num_queries):
    shown = repair(Status.COMPLETED)
    events = list(shown.events.all())
    with django_assert_num_queries(3):
        add_to(events, shown)
    assert sum(len(event.told) for event in events) > 3
