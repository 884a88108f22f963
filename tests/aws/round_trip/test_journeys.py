"""`aws loopback` by itself: whom it writes to, when it does not start, and which hop it names."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.aws.doctor import checks
from apps.aws.management.commands import _loopback
from apps.aws.round_trip import hops, journeys, simulated_recipients
from apps.aws.round_trip.hops import Hop
from apps.core.audit.ledger import ledger
from apps.core.delivery import transitions
from apps.core.guards.suppressions import suppress
from apps.core.models import (
    Choice,
    Contact,
    Delivery,
    Mark,
    Notification,
    ProviderEvent,
    Suppression,
)
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import memory
from apps.core.providers.aws.simulator import NUMBERS
from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, EventKind, LogEvent
from tests.support.attempts import attempt
from tests.support.documentation import table

pytestmark = pytest.mark.django_db

Make = Callable[..., Delivery]


def run(*options: str) -> str:
    out = StringIO()
    call_command("aws", "loopback", *options, stdout=out)
    return out.getvalue()


def fails(*options: str) -> str:
    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("aws", "loopback", "--timeout=0.1", *options, stdout=out)
    assert stopped.value.code == 1
    return out.getvalue()


@pytest.fixture
def sends_at_once(woken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for a worker: take what was written when it is first looked at."""
    look = journeys._rows

    def rows(under_way: Any) -> Any:
        for journey in under_way:
            attempt(journey.delivery_id)
        return look(under_way)

    monkeypatch.setattr(journeys, "_rows", rows)


@pytest.fixture(autouse=True)
def no_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the doctor out: tests/aws/test_loopback_command.py asks it about real processes."""
    monkeypatch.setattr(checks, "CHECKS", [])


def test_nothing_is_sent_without_a_yes() -> None:
    for options in ((), ("--json",), ("--sms",)):
        with pytest.raises(CommandError, match="give --yes"):
            run(*options)
    assert not Notification.objects.exists()
    assert not User.objects.exists()


def test_its_users_have_no_password_and_are_the_same_in_each_run(woken: Any) -> None:
    for _ in range(2):
        fails("--yes", "--sms")
    users = User.objects.order_by("pk")
    assert [user.username for user in users] == [f"loopback-{name}" for name in _loopback.NAMES]
    assert not any(user.has_usable_password() for user in users)
    assert Contact.objects.get(user__username="loopback-sms-failure").phone == NUMBERS["US"].failure
    assert set(Delivery.objects.values_list("reason", flat=True)) == {
        "the loopback that it belonged to is over",
        "has no e-mail address",
    }


def test_each_run_has_a_label_of_its_own(sends_at_once: None) -> None:
    for _ in range(2):
        fails("--yes", "--only=success,bounce")
    assert len({mail.to[0] for mail in memory.emails}) == 4


def test_a_user_with_a_password_belongs_to_a_person() -> None:
    User.objects.create_user("loopback-bounce", password="secret")
    with pytest.raises(CommandError, match="loopback-bounce belongs to a person"):
        run("--yes", "--only=bounce")
    assert not Contact.objects.exists()


def test_if_texts_are_off_they_are_skipped_and_that_is_said(settings: Any) -> None:
    settings.SMS_ENABLED = False
    output = run("--yes", "--only=sms-success,sms-failure")
    assert "sms-success is skipped: text messages are switched off (SMS_ENABLED)." in output
    answer = json.loads(run("--yes", "--only=sms-success", "--json"))
    assert (answer["ok"], answer["messages"]) == (True, [])
    assert [each["to"] for each in answer["skipped"]] == ["sms-success"]


def test_it_says_beforehand_what_it_sends_and_what_that_costs(woken: Any) -> None:
    output = fails("--yes", "--sms=GB")
    assert "To SES's mailbox simulator: 4 e-mails" in output
    assert "2 text messages, billed as any other, at most US$1.00000" in output
    assert "No text messages: --sms sends those as well." in fails("--yes", "--only=success")


def test_staging_must_list_the_simulator(settings: Any) -> None:
    settings.ENVIRONMENT, settings.STAGING_ALLOWED_RECIPIENTS = "staging", ["@us.example"]
    with pytest.raises(CommandError, match=r"add @simulator\.amazonses\.com to STAGING_ALLOWED"):
        run("--yes")
    settings.STAGING_ALLOWED_RECIPIENTS = ["@simulator.amazonses.com", NUMBERS["US"].success]
    with pytest.raises(CommandError, match=rf"add \{NUMBERS['US'].failure} to"):
        run("--yes", "--sms")
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    "option", ["--only=bounces", "--only=", "--timeout=0", "--timeout=soon", "--sms=XX"]
)
def test_an_option_that_makes_no_sense_is_refused(option: str) -> None:
    with pytest.raises(CommandError):
        run("--yes", option)


def test_one_run_at_a_time_and_a_killed_one_blocks_for_its_own_time_only() -> None:
    with (
        simulated_recipients.hold_lock(timedelta(minutes=2)),
        pytest.raises(CommandError, match="Another run is under way until"),
    ):
        run("--yes", "--only=success")
    Mark.objects.create(name=simulated_recipients._UNDER_WAY, at=timezone.now())
    with simulated_recipients.hold_lock(timedelta(minutes=2)):
        pass
    assert not Mark.objects.exists()


def test_what_no_worker_took_is_withdrawn_and_the_ledger_balances(woken: Any) -> None:
    output = fails("--yes", "--only=success")
    assert "broken at: worker. it is due, and no worker took it." in output
    row = Delivery.objects.get()
    assert (row.state, row.reason) == ("skipped", "the loopback that it belonged to is over")
    attempt(row.pk)
    assert memory.emails == []
    assert ledger().balances


def test_what_others_wait_for_as_well_is_said(woken: Any, delivery: Make) -> None:
    delivery()
    assert "; due beside it: 1." in fails("--yes", "--only=success")


def test_a_run_forgets_what_runs_have_suppressed_and_nothing_else(woken: Any) -> None:
    theirs = ["jane@fleet.example", "bounce@simulator.amazonses.com"]
    for address in (*theirs, "complaint+00c0de@simulator.amazonses.com"):
        suppress(Channel.EMAIL, address, SuppressionReason.BOUNCE)
    suppress(Channel.SMS, NUMBERS["US"].failure, SuppressionReason.BOUNCE)
    suppress(Channel.SMS, "+12025550101", SuppressionReason.BOUNCE)
    fails("--yes", "--sms")
    left = Suppression.objects.values_list("address", flat=True)
    assert sorted(left) == sorted([*theirs, "+12025550101"])


def test_the_complaint_of_the_last_run_does_not_stop_the_next_one(sends_at_once: None) -> None:
    for _ in range(2):
        fails("--yes", "--only=complaint")
        [mail] = memory.emails
        memory.clear()
        suppress(Channel.EMAIL, mail.to[0], SuppressionReason.COMPLAINT)
        assert Choice.objects.present().count() == 1


def test_a_run_that_is_broken_off_leaves_nothing_behind(
    woken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(journeys, "_follow", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run("--yes")
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.SKIPPED}
    assert not Mark.objects.exists()


def at(row: Delivery, **changes: Any) -> hops.Broken:
    """Return the hop at which this delivery, which should have bounced, broke."""
    Delivery.objects.filter(pk=row.pk).update(**changes)
    row.refresh_from_db()
    return hops.where_it_broke(row, DeliveryState.BOUNCED)


def test_a_call_without_an_answer_breaks_at_the_provider(delivery: Make) -> None:
    row = delivery()
    assert at(row, state=DeliveryState.SENDING, attempts=1).hop == Hop.PROVIDER
    row.log.create(attempt=1, event=LogEvent.CALLING, provider="ses-smtp")
    row.log.create(attempt=1, event=LogEvent.AMBIGUOUS, code="timeout", detail="timed out")
    found = at(row, state=DeliveryState.UNKNOWN)
    assert (found.hop, found.why) == (Hop.PROVIDER, "no answer: timeout timed out")


def test_an_event_that_fits_nothing_breaks_at_the_delivery(delivery: Make) -> None:
    row = delivery(attempts=1)
    row.log.create(attempt=1, event=LogEvent.ACCEPTED, provider="ses-smtp")
    ProviderEvent.objects.create(
        fingerprint="f",
        kind=EventKind.BOUNCED,
        provider="ses",
        provider_message_id="id-1",
        occurred_at=timezone.now(),
    )
    found = at(row, state=DeliveryState.ACCEPTED, provider_message_id="id-2")
    assert found.hop == Hop.EVENT
    found = at(row, provider_message_id="id-1")
    assert found.hop == Hop.DELIVERY
    assert found.why == "bounced came, and no event was matched with its delivery"


def test_an_event_of_the_wrong_kind_breaks_at_the_event(delivery: Make) -> None:
    row = delivery(attempts=1)
    event = {"provider": "ses", "delivery": row, "occurred_at": timezone.now()}
    ProviderEvent.objects.create(fingerprint="f", kind=EventKind.SENT, **event)
    found = at(row, state=DeliveryState.ACCEPTED)
    assert found.hop == Hop.EVENT
    assert found.why == "its events are sent, and bounced is not among them"
    assert "The site's log" in found.do


def test_our_own_refusal_to_send_breaks_at_the_worker(delivery: Make) -> None:
    row = delivery(state=DeliveryState.DUE)
    transitions.skip_due(row, "account is deactivated", Reason.DEACTIVATED)
    found = hops.where_it_broke(Delivery.objects.get(), DeliveryState.BOUNCED)
    assert (found.hop, found.why) == (Hop.WORKER, "it was not sent: account is deactivated")


def test_a_text_whose_log_is_not_read_says_so(delivery: Make, settings: Any) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = ""
    row = delivery(Channel.SMS, attempts=1)
    row.log.create(attempt=1, event=LogEvent.ACCEPTED, provider="sns")
    found = at(row, state=DeliveryState.ACCEPTED)
    assert (found.hop, found.why.partition(":")[0]) == (
        Hop.EVENT,
        "its outcome is not read",
    )


def test_every_line_of_the_doctor_that_a_hop_names_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ids = [check.id for check in checks.CHECKS]
    for names in hops._CHECKS.values():
        assert all(any(each.startswith(name) for each in ids) for name in names)


def test_the_documentation_has_each_recipient() -> None:
    first = [row[0].strip("`") for row in table("Loopback")]
    assert first[: len(_loopback.NAMES)] == _loopback.NAMES
    assert first[-len(Hop) :] == [hop.value for hop in Hop]
