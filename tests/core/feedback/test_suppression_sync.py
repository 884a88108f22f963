"""AWS's own lists and ours: read from the real sandbox by boto3, and taken off it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.core import tasks
from apps.core.delivery import wakeups
from apps.core.exceptions import ThrottledError
from apps.core.feedback import provider_events, suppression_sync
from apps.core.guards import suppressions
from apps.core.models import Contact, Delivery, Mark, ProviderEvent, Suppression
from apps.core.models.contact import ConsentVia
from apps.core.models.suppression import Listed, SuppressionReason
from apps.core.providers import suppression_lists
from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, EventCause, EventKind, Priority
from sandbox.testing import RunningSandbox
from tests.support.attempts import attempt, stand_in
from tests.support.services import Worker, wait_with_beat

Make = Callable[..., Delivery]
GONE, NUMBER = "gone@customer.example", "+12025550142"
REGION = "us-east-1"
#: For the tests that put another in its place.
_opted_out = suppression_lists.opted_out


@pytest.fixture
def sandbox(
    running: RunningSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    """Yield the sandbox with an empty list, and no number that answered STOP."""
    for service in ("SESV2", "SNS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", running.aws_url)
    settings.SMS_BACKEND = settings.SNS_BACKEND
    settings.AWS_SES_SUPPRESSION_LIST = True
    yield running
    running.reset_account()
    for each in [each for page in _opted_out() for each in page]:
        running.opt_in(each.address)


def read() -> None:
    tasks.read_suppression_list()


def ago(**time: float) -> datetime:
    return timezone.now() - timedelta(**time)


def on_list(sandbox: RunningSandbox, *entries: Any) -> None:
    sandbox.account(suppressed=list(entries))


def entry(at: datetime, address: str = GONE, reason: str = "BOUNCE") -> dict[str, str]:
    return {"address": address, "reason": reason, "at": at.isoformat()}


def left(sandbox: RunningSandbox) -> list[str]:
    return [each["address"] for each in sandbox.account()["suppressed"]]


def pages(monkeypatch: pytest.MonkeyPatch, *parts: list[Listed] | Exception) -> list[datetime]:
    """Yield the pages of SES's list, an exception where it is cut; and the times asked for."""
    asked: list[datetime] = []

    def suppressed(client: Any, since: datetime, until: datetime) -> Iterator[list[Listed]]:
        asked.append(since)
        for part in parts:
            if isinstance(part, Exception):
                raise part
            yield part

    monkeypatch.setattr(suppression_lists, "suppressed", suppressed)
    return asked


# --- SES's suppression list ---------------------------------------------------------------------


def test_every_page_of_ses_s_list_is_imported_once(sandbox: RunningSandbox, db: None) -> None:
    on_list(sandbox, *(f"person{n}@customer.example" for n in range(2_500)))
    read()
    assert Suppression.objects.in_force().filter(channel=Channel.EMAIL).count() == 2_500
    Mark.objects.all().delete()
    read()
    assert Suppression.objects.count() == 2_500


def test_an_entry_keeps_its_reason_and_its_time(sandbox: RunningSandbox, db: None) -> None:
    at = datetime(2024, 2, 29, 12, tzinfo=UTC)
    on_list(sandbox, entry(at, "Gone@Customer.example"), entry(at, "angry@x.example", "COMPLAINT"))
    read()
    bounced, angry = Suppression.objects.order_by("reason")
    assert (bounced.address, bounced.listed_as) == (GONE, "Gone@Customer.example")
    assert (bounced.reason, angry.reason) == ("bounce", "complaint")
    assert bounced.since == at
    assert bounced.detail == "on SES's suppression list"


def test_an_address_on_ses_s_list_gets_nothing(
    sandbox: RunningSandbox, delivery: Make, person: Callable[..., User]
) -> None:
    on_list(sandbox, "Gone@Customer.example")
    read()
    row = delivery(recipient=person(email=GONE, verified_email=GONE))
    attempt(row.pk)
    row.refresh_from_db()
    assert row.reason == "address is suppressed: messages to it bounce"


def test_the_next_reading_begins_a_day_before_the_last_one_ended(
    sandbox: RunningSandbox, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    read()
    ended = Mark.objects.get(name=f"ses suppression list {REGION}").at
    assert ended > ago(minutes=1)
    on_list(sandbox, entry(ago(hours=20), "late@x.example"), entry(ago(days=3), "old@x.example"))
    read()
    assert [row.address for row in Suppression.objects.all()] == ["late@x.example"]
    asked = pages(monkeypatch)
    Mark.objects.update(at=ended)
    read()
    assert asked == [ended - timedelta(days=1)]


def test_another_region_has_another_list(
    sandbox: RunningSandbox, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read()
    settings.AWS_SES_REGION_NAME = "eu-west-1"
    asked = pages(monkeypatch)
    read()
    assert asked[0] < datetime(2019, 11, 2, tzinfo=UTC)


def test_an_interrupted_reading_keeps_its_entries_and_the_old_mark(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    mark = Mark.objects.create(name=f"ses suppression list {REGION}", at=ago(days=2))
    listed = [Listed(GONE, SuppressionReason.BOUNCE, ago(days=1))]
    error = ThrottledError("slow down", code="TooManyRequestsException")
    asked = pages(monkeypatch, listed, error)
    read()
    assert "SES's suppression list not read to its end, the next run tries again" in caplog.text
    assert GONE not in caplog.text
    assert Suppression.objects.get().address == GONE
    assert Mark.objects.get().at == mark.at
    read()
    assert asked == [mark.at - timedelta(days=1)] * 2
    assert Suppression.objects.count() == 1


def test_a_long_first_reading_continues_in_the_next_run(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression_sync, "RUN_S", -1)
    asked = pages(monkeypatch)
    read()
    read()
    assert asked[1] - asked[0] == suppression_sync.WINDOW


def test_a_right_that_is_missing_is_named(sandbox: RunningSandbox, db: None, caplog: Any) -> None:
    sandbox.account(denied=["ses:ListSuppressedDestinations"])
    read()
    assert "not allowed, needs ses:ListSuppressedDestinations" in caplog.text


def test_an_address_on_ses_s_list_loses_its_end(sandbox: RunningSandbox, db: None) -> None:
    suppressions.suppress(Channel.EMAIL, GONE, SuppressionReason.BOUNCE, until=ago(days=-1))
    on_list(sandbox, entry(ago(hours=1), reason="COMPLAINT"))
    read()
    row = Suppression.objects.get()
    assert (row.until, row.reason) == (None, "complaint")


def test_our_own_suppression_stays_and_is_marked_as_listed(
    sandbox: RunningSandbox, db: None
) -> None:
    suppressions.suppress(Channel.EMAIL, GONE, SuppressionReason.COMPLAINT, "abuse")
    on_list(sandbox, "Gone@customer.example")
    read()
    row = Suppression.objects.get()
    assert (row.reason, row.detail, row.listed_as) == (
        "complaint",
        "abuse",
        "Gone@customer.example",
    )
    assert row.listed_at


def test_a_suppression_made_meanwhile_stays_as_it_is(
    sandbox: RunningSandbox, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_over = suppressions._from_list

    def suppressed(channel: Channel, address: str, entry: Listed) -> Suppression:
        suppressions.suppress(channel, address, SuppressionReason.COMPLAINT, "abuse")
        return taken_over(channel, address, entry)

    monkeypatch.setattr(suppressions, "_from_list", suppressed)
    on_list(sandbox, GONE)
    read()
    assert Suppression.objects.get().detail == "abuse"


def test_ses_s_list_is_not_read_if_e_mail_goes_another_way(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AWS_SES_SUPPRESSION_LIST = False
    asked = pages(monkeypatch)
    read()
    suppressions.suppress(Channel.EMAIL, GONE, SuppressionReason.BOUNCE)
    suppressions.lift(Suppression.objects.get(), "office")
    assert asked == []
    assert not Suppression.objects.get().unlist


# --- What is lifted here ------------------------------------------------------------------------


@pytest.fixture
def lifted(sandbox: RunningSandbox, db: None) -> Suppression:
    """Return a suppression that came from SES's list and was lifted here."""
    on_list(sandbox, entry(ago(days=1), "Gone@Customer.example"))
    read()
    row = Suppression.objects.get()
    assert suppressions.lift(row, "office")
    return row


def test_a_lifted_address_is_removed_from_ses_s_list_in_its_spelling(
    sandbox: RunningSandbox, lifted: Suppression
) -> None:
    tasks.take_off_lists()
    lifted.refresh_from_db()
    assert (lifted.unlist, lifted.unlist_problem) == (False, "")
    assert lifted.unlisted_at
    assert left(sandbox) == []


def test_a_lifted_address_stays_so_unless_ses_lists_it_again(
    sandbox: RunningSandbox, lifted: Suppression
) -> None:
    tasks.take_off_lists()
    Mark.objects.all().delete()
    on_list(sandbox, entry(ago(days=1), "GONE@customer.example"))
    read()
    assert not Suppression.objects.in_force().exists()
    assert left(sandbox) == []
    on_list(sandbox, GONE)
    read()
    assert Suppression.objects.in_force().get().address == GONE


def test_a_failed_removal_is_shown_in_the_admin_and_tried_again(
    sandbox: RunningSandbox, lifted: Suppression, admin_client: Client, caplog: Any
) -> None:
    sandbox.account(denied=["ses:DeleteSuppressedDestination"])
    tasks.take_off_lists()
    assert "nothing removed from the list of email" in caplog.text
    shown = admin_client.get("/admin/core/suppression/").content.decode()
    words = "not allowed, needs ses:DeleteSuppressedDestination"
    assert f"to be removed: AccessDeniedException {words}" in shown
    sandbox.account(denied=[])
    read()
    assert left(sandbox) == []
    assert ">removed<" in admin_client.get("/admin/core/suppression/").content.decode()


def test_a_refusal_of_the_account_ends_the_run(
    sandbox: RunningSandbox, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        suppressions.suppress(Channel.EMAIL, f"{number}@x.example", SuppressionReason.BOUNCE)
    for row in Suppression.objects.all():
        suppressions.lift(row, "office")
    calls: list[str] = []

    def throttled(address: str) -> None:
        calls.append(address)
        raise ThrottledError("slow down")

    monkeypatch.setattr(suppression_lists, "unsuppress", throttled)
    tasks.take_off_lists()
    assert len(calls) == 1
    assert set(Suppression.objects.values_list("unlist_problem", flat=True)) == {"slow down"}


def test_an_address_suppressed_again_stays_on_the_list(
    sandbox: RunningSandbox, lifted: Suppression
) -> None:
    suppressions.suppress(Channel.EMAIL, GONE, SuppressionReason.COMPLAINT)
    tasks.take_off_lists()
    assert left(sandbox) == ["Gone@Customer.example"]
    assert not Suppression.objects.filter(unlist=True).exists()


@pytest.mark.parametrize(
    ("cause", "detail", "hours", "again"),
    [
        (EventCause.OWN_LIST, "on the list", 0, False),
        (EventCause.OWN_LIST, "on the list", 50, False),
        (EventCause.ADDRESS, "550 5.1.1 unknown", 0, True),
        (EventCause.OPTED_OUT, "Phone number is opted out", 0, False),
    ],
)
def test_a_bounce_of_the_list_soon_after_a_lift_does_not_undo_it(
    lifted: Suppression,
    delivery: Make,
    cause: EventCause,
    detail: str,
    hours: int,
    again: bool,
) -> None:
    Suppression.objects.update(lifted_at=ago(hours=hours, minutes=1))
    bounced(delivery(), cause, detail)
    assert Suppression.objects.in_force().exists() is again


def test_a_bounce_of_the_list_long_after_its_removal_counts(
    lifted: Suppression, delivery: Make
) -> None:
    Suppression.objects.update(lifted_at=ago(hours=3), unlist=False, unlisted_at=ago(hours=2))
    bounced(delivery(), EventCause.OWN_LIST, "on the list")
    assert Suppression.objects.in_force().exists()


def bounced(row: Delivery, cause: EventCause, detail: str) -> None:
    event = ProviderEvent(
        fingerprint="1",
        kind=EventKind.BOUNCED,
        cause=cause,
        provider="ses",
        delivery_ref=row.pk,
        attempt=1,
        recipient=GONE,
        detail=detail,
        occurred_at=timezone.now(),
    )
    provider_events.receive([event])


def test_the_office_lifts_and_a_worker_is_woken_after_the_commit(
    sandbox: RunningSandbox,
    db: None,
    admin_client: Client,
    woken: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    suppressions.suppress(Channel.EMAIL, GONE, SuppressionReason.BOUNCE)
    chosen = {"action": "lift", "_selected_action": [Suppression.objects.get().pk]}
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post("/admin/core/suppression/", chosen, follow=True)
        assert woken == []
    assert [name for name, _ in woken] == ["apps.core.tasks.take_off_lists"]
    assert "A worker now removes these" in answer.content.decode()


@pytest.mark.services
def test_a_real_worker_removes_it(sandbox: RunningSandbox, worker: Callable[..., Worker]) -> None:
    on_list(sandbox, GONE)
    worker(
        AWS_ENDPOINT_URL_SESV2=sandbox.aws_url,
        AWS_ENDPOINT_URL_SNS=sandbox.aws_url,
        AWS_SES_SUPPRESSION_LIST="true",
    )
    read = Suppression.objects.in_force()
    tasks.read_suppression_list.apply_async()
    wait_with_beat(read.exists, "the list was read", tasks.read_suppression_list.apply_async)
    suppressions.lift(Suppression.objects.get(), "office")
    wakeups.wake_unlisting()
    wait_with_beat(lambda: left(sandbox) == [], "it was taken off", wakeups.wake_unlisting)


# --- SNS's opt-outs -----------------------------------------------------------------------------


def stop(sandbox: RunningSandbox, *numbers: str) -> None:
    for number in numbers:
        sandbox.opt_out(number)
    tasks.read_opt_outs()


def stopped(number: str = NUMBER) -> bool:
    return Suppression.objects.in_force().filter(channel=Channel.SMS, address=number).exists()


def test_every_opted_out_number_is_suppressed_once(sandbox: RunningSandbox, db: None) -> None:
    numbers = [f"+1202555{number:04d}" for number in range(150)]
    stop(sandbox, *numbers)
    tasks.read_opt_outs()
    rows = Suppression.objects.filter(channel=Channel.SMS, reason=SuppressionReason.OPT_OUT)
    assert sorted(rows.values_list("address", flat=True)) == numbers


def test_stop_and_start_switch_the_owner_s_texts_and_say_so(
    sandbox: RunningSandbox, person: Callable[..., User]
) -> None:
    owner = person(phone=NUMBER, verified_phone=NUMBER)
    stop(sandbox, NUMBER)
    contact = Contact.objects.get(user=owner)
    assert (contact.sms_opt_in, contact.sms_via) == (False, ConsentVia.STOP)
    assert contact.sms_withdrawn_at
    sandbox.opt_in(NUMBER)
    tasks.read_opt_outs()
    row = Suppression.objects.get()
    assert (row.lifted_by, row.unlist) == ("SNS: the owner answered START", False)
    contact = Contact.objects.get(user=owner)
    assert (contact.sms_opt_in, contact.sms_via) == (True, ConsentVia.START)


@pytest.mark.parametrize(
    "changes", [{"sms_opt_in": False}, {"sms_opt_in": False, "sms_via": "page"}]
)
def test_start_gives_no_consent_that_stop_did_not_take(
    sandbox: RunningSandbox, person: Callable[..., User], changes: dict[str, Any]
) -> None:
    owner = person(phone=NUMBER, verified_phone=NUMBER, **changes)
    stop(sandbox, NUMBER)
    sandbox.opt_in(NUMBER)
    tasks.read_opt_outs()
    assert not stopped()
    assert not Contact.objects.get(user=owner).sms_opt_in


def test_an_opt_out_from_a_receipt_is_lifted_after_it_left_the_list(
    sandbox: RunningSandbox, db: None
) -> None:
    tasks.read_opt_outs()
    suppressions.suppress(Channel.SMS, NUMBER, SuppressionReason.OPT_OUT)
    tasks.read_opt_outs()
    assert stopped(), "the list may be late"
    stop(sandbox, NUMBER)
    sandbox.opt_in(NUMBER)
    tasks.read_opt_outs()
    assert not stopped()


def test_a_number_that_does_not_exist_is_not_lifted_by_start(
    sandbox: RunningSandbox, db: None
) -> None:
    suppressions.suppress(Channel.SMS, NUMBER, SuppressionReason.BOUNCE)
    stop(sandbox, NUMBER)
    sandbox.opt_in(NUMBER)
    tasks.read_opt_outs()
    assert stopped()


def opt_outs(monkeypatch: pytest.MonkeyPatch, *parts: list[str] | Exception) -> None:
    """Yield the pages of SNS's list, an exception where it is cut."""

    def opted_out() -> Iterator[list[Listed]]:
        for part in parts:
            if isinstance(part, Exception):
                raise part
            yield [Listed(number, SuppressionReason.OPT_OUT) for number in part]

    monkeypatch.setattr(suppression_lists, "opted_out", opted_out)


def test_an_interrupted_list_lifts_none(
    sandbox: RunningSandbox, db: None, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    stop(sandbox, NUMBER)
    sandbox.opt_in(NUMBER)
    with monkeypatch.context() as patched:
        opt_outs(patched, ["+12025550143"], ThrottledError("Rate exceeded", code="Throttled"))
        tasks.read_opt_outs()
    assert stopped()
    assert stopped("+12025550143"), "what was read is kept"
    assert "SNS's list of opt-outs not read to its end, the next run tries again" in caplog.text
    tasks.read_opt_outs()
    assert not stopped()


def test_a_number_that_a_page_missed_stays_stopped(
    sandbox: RunningSandbox, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(sandbox, NUMBER)
    opt_outs(monkeypatch, ["+12025550143"])
    tasks.read_opt_outs()
    assert stopped()


def test_a_list_that_most_numbers_left_at_once_is_not_believed(
    sandbox: RunningSandbox, db: None, caplog: Any
) -> None:
    numbers = [f"+1202555{number:04d}" for number in range(12)]
    stop(sandbox, *numbers)
    for number in numbers:
        sandbox.opt_in(number)
    tasks.read_opt_outs()
    assert "none lifted: 12 of 12 opt-outs left SNS's list at once" in caplog.text
    assert all(map(stopped, numbers))


def test_the_list_of_another_region_lifts_none(
    sandbox: RunningSandbox, db: None, settings: Any
) -> None:
    stop(sandbox, NUMBER)
    sandbox.opt_in(NUMBER)
    settings.AWS_SNS_REGION_NAME = "eu-west-1"
    tasks.read_opt_outs()
    tasks.read_opt_outs()
    assert stopped()


def test_sns_s_list_is_not_read_if_texts_go_another_way(
    sandbox: RunningSandbox, db: None, settings: Any
) -> None:
    settings.SMS_BACKEND = "apps.core.providers.memory.SMS"
    stop(sandbox, NUMBER)
    assert not Suppression.objects.exists()
    settings.SMS_BACKEND, settings.SMS_ENABLED = settings.SNS_BACKEND, False
    tasks.read_opt_outs()
    assert not Suppression.objects.exists()


# --- Consent ------------------------------------------------------------------------------------


def test_stop_withdraws_the_consent_and_the_next_message_goes_by_email(
    sandbox: RunningSandbox, person: Callable[..., User], notify: Any, delivery: Make
) -> None:
    owner = person(phone=NUMBER, verified_phone=NUMBER)
    other = person()
    waiting = delivery(Channel.SMS, Priority.HIGH, recipient=owner)
    stop(sandbox, NUMBER)
    assert not Contact.objects.get(user=owner).sms_opt_in
    assert Contact.objects.get(user=other).sms_opt_in
    attempt(waiting.pk)
    instead = stand_in(waiting)
    assert instead
    assert instead.channel == Channel.EMAIL
    waiting.refresh_from_db()
    assert waiting.reason == "address is suppressed: its owner answered STOP"


def test_stop_holds_for_the_next_number_of_its_owner(
    sandbox: RunningSandbox, person: Callable[..., User], delivery: Make
) -> None:
    owner = person(phone=NUMBER, verified_phone=NUMBER)
    stop(sandbox, NUMBER)
    Contact.objects.update(phone="+12025550199", verified_phone="+12025550199")
    row = delivery(Channel.SMS, recipient=owner)
    attempt(row.pk)
    row.refresh_from_db()
    assert (row.state, row.decision) == (DeliveryState.SKIPPED, Reason.STOPPED)


def agree(admin_client: Client, contact: Contact, *, shown: bool = False) -> str:
    """Have the office tick both, as the owner asked; return what the page says.

    `shown`: whether they were ticked when the page was opened.
    """
    form = {
        "initial-sms_opt_in": str(shown),
        "initial-wants_email": str(shown),
        "user": contact.user_id,
        "email": contact.email,
        "phone": contact.phone,
        "sms_opt_in": "on",
        "wants_email": "on",
        "time_zone": contact.time_zone,
    }
    answer = admin_client.post(f"/admin/core/contact/{contact.pk}/change/", form, follow=True)
    return str(answer.content.decode())


def test_a_person_who_agrees_again_is_opted_in_at_sns(
    sandbox: RunningSandbox, person: Callable[..., User], admin_client: Client, delivery: Make
) -> None:
    owner = person(phone=NUMBER, verified_phone=NUMBER)
    stop(sandbox, NUMBER)
    assert "had answered STOP; that suppression is lifted" in agree(
        admin_client, Contact.objects.get(user=owner)
    )
    assert Suppression.objects.get().lifted_by == "admin"
    tasks.take_off_lists()
    assert not suppression_lists.is_opted_out(NUMBER)
    assert Contact.objects.get(user=owner).sms_opt_in
    assert not stopped()


def test_a_page_opened_before_the_opt_out_restores_no_consent(
    sandbox: RunningSandbox, person: Callable[..., User], admin_client: Client
) -> None:
    owner = person(phone=NUMBER, verified_phone=NUMBER)
    page = admin_client.get(f"/admin/core/contact/{owner.contact.pk}/change/").content.decode()
    assert '<input type="hidden" name="initial-sms_opt_in" value="True"' in page
    stop(sandbox, NUMBER)
    contact = Contact.objects.get(user=owner)
    contact.time_zone = "America/Chicago"
    assert "STOP" not in agree(admin_client, contact, shown=True)
    contact.refresh_from_db()
    assert (contact.time_zone, contact.sms_opt_in) == ("America/Chicago", False)
    assert stopped()


def test_a_listed_complaint_withdraws_consent_and_a_bounce_does_not(
    sandbox: RunningSandbox, person: Callable[..., User]
) -> None:
    angry, gone = person(email="angry@x.example"), person(email=GONE)
    on_list(sandbox, entry(ago(days=1)), entry(ago(days=1), "Angry@x.example", "COMPLAINT"))
    read()
    assert not Contact.objects.get(user=angry).wants_email
    assert Contact.objects.get(user=gone).wants_email


def test_a_complainer_who_agrees_again_is_removed_from_ses_s_list(
    sandbox: RunningSandbox, person: Callable[..., User], admin_client: Client, delivery: Make
) -> None:
    owner = person(email=GONE, verified_email=GONE)
    on_list(sandbox, entry(ago(days=1), "Gone@Customer.example", "COMPLAINT"))
    read()
    said = agree(admin_client, Contact.objects.get(user=owner))
    assert "had complained; that suppression is lifted" in said
    assert "STOP" not in said
    assert Suppression.objects.get().lifted_by == "admin"
    tasks.take_off_lists()
    assert left(sandbox) == []
    row = delivery(recipient=owner)
    attempt(row.pk)
    row.refresh_from_db()
    assert row.state == DeliveryState.ACCEPTED


def test_a_page_opened_before_the_complaint_restores_no_consent(
    sandbox: RunningSandbox, person: Callable[..., User], admin_client: Client
) -> None:
    contact = person(email=GONE, verified_email=GONE).contact
    suppressions.suppress(Channel.EMAIL, GONE, SuppressionReason.COMPLAINT)
    assert "complained" not in agree(admin_client, contact, shown=True)
    contact.refresh_from_db()
    assert (contact.wants_email, contact.sms_opt_in) == (False, True)
    assert Suppression.objects.in_force().exists()


def test_consent_without_an_opt_out_does_not_mention_one(
    sandbox: RunningSandbox, person: Callable[..., User], admin_client: Client
) -> None:
    contact = person(sms_opt_in=False).contact
    assert "STOP" not in agree(admin_client, contact)
    assert Contact.objects.get(pk=contact.pk).sms_opt_in


def test_a_late_list_does_not_undo_a_new_opt_in(
    sandbox: RunningSandbox, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = "+12025550144"
    stop(sandbox, number)
    suppressions.lift(Suppression.objects.get(), "office")
    tasks.read_opt_outs()
    assert not stopped(number), "still to be taken off"
    tasks.take_off_lists()
    opt_outs(monkeypatch, [number])
    tasks.read_opt_outs()
    assert not stopped(number)
    Suppression.objects.update(lifted_at=ago(hours=2), unlisted_at=ago(hours=2))
    tasks.read_opt_outs()
    assert stopped(number), "that is another STOP"


def test_sns_s_refusal_of_a_second_opt_in_is_shown_in_the_admin(
    sandbox: RunningSandbox, db: None, admin_client: Client
) -> None:
    number = "+12025550145"
    for _ in range(2):
        stop(sandbox, number)
        suppressions.lift(Suppression.objects.in_force().get(), "office")
        tasks.take_off_lists()
        taken_off = Suppression.objects.filter(unlist=False)
        taken_off.update(lifted_at=ago(hours=2), unlisted_at=ago(hours=2))
    assert suppression_lists.is_opted_out(number)
    shown = admin_client.get("/admin/core/suppression/").content.decode()
    assert "to be removed: InvalidParameter" in shown
    assert "within 30 days" in shown
