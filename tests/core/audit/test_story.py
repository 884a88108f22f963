"""A message's story has a sentence for whatever can happen."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone, translation

from apps.core.audit import answers, story, story_words
from apps.core.audit.story import Way
from apps.core.exceptions import ChannelUnavailableError
from apps.core.guards import circuit_breaker
from apps.core.models import Delivery, Notification, NotificationDeliveryLog, ProviderEvent
from apps.core.reasons import HOLD_REASONS, OFF_REASONS, STALE_REASONS, Reason
from apps.core.states import (
    Channel,
    DeliveryState,
    EventCause,
    EventKind,
    LogEvent,
    LogSource,
    Priority,
)
from tests.support import reasons


def way_of(row: Delivery) -> Way:
    rows = story.with_story(Notification.objects.filter(pk=row.notification_id))
    [way] = [each for each in story.of(rows.get()) if each.id == row.pk]
    return way


@pytest.mark.parametrize(
    ("table", "every"),
    [
        (story_words.STATES, DeliveryState),
        (story_words.BRIEF, DeliveryState),
        (story_words.EVENTS, LogEvent),
        (story_words.SOURCES, LogSource),
        (story_words.DECIDERS, Reason),
        (story_words.RELEASES, [Reason(code) for code in HOLD_REASONS]),
        (story_words.IT, Channel),
        (answers.CAUSES, EventCause),
    ],
)
def test_every_case_has_words(table, every):
    assert set(table) == set(every)
    silent = {LogSource.WORKER, EventCause.NONE}
    assert all(str(words) for case, words in table.items() if case not in silent)


@pytest.mark.parametrize("code", reasons.SKIP)
def test_a_skipped_delivery_says_why_and_what_decided(delivery, code):
    way = way_of(delivery(state=DeliveryState.SKIPPED, decision=code, reason="as logged"))
    assert way.reason == Reason(code).label
    assert way.decider == str(story_words.DECIDERS[Reason(code)])
    assert way.brief == f"E-mail: not sent, {Reason(code).label}"
    assert way.has_ended
    is_told = code not in OFF_REASONS | STALE_REASONS or code in ("stopped", "complained")
    assert way.has_failed == is_told


@pytest.mark.parametrize("code", HOLD_REASONS)
def test_a_held_delivery_says_what_it_waits_for_and_until_when(delivery, code):
    until = timezone.now() + timedelta(days=2)
    way = way_of(
        delivery(
            state=DeliveryState.HELD, held_for=code, release_at=until, decision=Reason.PERSON_ON
        )
    )
    assert way.reason == Reason(code).label
    assert way.decider == str(story_words.DECIDERS[Reason(code)])
    assert way.next_words == f"{story_words.RELEASES[Reason(code)]}: {story.clock(until)}"
    assert story.clock(until) in way.brief
    assert not way.has_failed
    assert not way.may_resend


@pytest.mark.parametrize("event", LogEvent)
@pytest.mark.parametrize("source", LogSource)
def test_every_entry_of_the_log_is_a_step(delivery, event, source):
    row = delivery()
    NotificationDeliveryLog.objects.create(
        delivery=row, attempt=1, event=event, source=source, code="9", detail="as it is"
    )
    [step] = way_of(row).steps
    assert step.what == str(story_words.EVENTS[event])
    assert step.source == str(story_words.SOURCES[source])
    assert (step.code, step.detail) == ("9", "as it is")


def test_a_step_says_which_try_it_was_and_which_reason_of_ours(delivery):
    row = delivery()
    log = NotificationDeliveryLog.objects
    log.create(delivery=row, attempt=2, event=LogEvent.CALLING)
    log.create(delivery=row, attempt=2, event=LogEvent.SKIPPED, code=Reason.READ)
    first, second = way_of(row).steps
    assert first.what == "Handing it over, try 2"
    assert second.what == f"Not sent: {Reason.READ.label}"


@pytest.mark.parametrize(
    ("words", "cause", "meaning"),
    [
        ("smtp; 550 5.1.1 user unknown", "address", "no such mailbox"),
        ("550 5.1.2", "", "no such domain"),
        ("smtp; 452 4.2.2 over quota", "temporary", "the mailbox is full"),
        ("550 4.4.7 Message expired", "temporary", "the mail server could not be reached in time"),
        ("554 5.7.1 spam", "", "the mail server does not want it"),
        ("550 5.9.9", "address", "the address does not work"),
        (
            "Phone is currently unreachable/unavailable",
            "temporary",
            "the phone or its network could not be reached",
        ),
        ("Blocked as spam by phone carrier", "", "the phone network does not want it"),
        ("Phone is off", "temporary", "it could not be delivered for now"),
        ("Permanent General", "", "the address does not work"),
        ("Permanent General 5.1.1 smtp; 550 5.1.1 user unknown", "", "no such mailbox"),
        ("Permanent Suppressed", "", "the provider keeps the address on its own list"),
        ("Transient MailboxFull", "temporary", "the mailbox is full"),
        ("Undetermined Undetermined", "", "it could not be delivered for now"),
        ("535 credentials invalid", "", "the provider does not accept our account or its settings"),
        ("Throttling Rate exceeded", "", "the provider asks us to slow down"),
        ("ConnectTimeoutError", "", "the provider could not be reached"),
        ("", "own_list", "the provider keeps the address on its own list"),
        ("", "opted_out", "the owner of the number answered STOP"),
        ("Unknown error at 10.5.1.1", None, ""),
    ],
)
def test_an_answer_in_plain_words(words, cause, meaning):
    assert answers.plain(words, cause) == meaning


@pytest.mark.parametrize("state", [DeliveryState.REJECTED, DeliveryState.BOUNCED])
def test_a_provider_s_own_words_are_no_reason_for_its_reader(delivery, state):
    way = way_of(delivery(state=state, reason="ZX-81: 0x8004210B"))
    assert way.reason == "the provider did not take it"
    assert "ZX-81" not in way.brief


def test_a_bounce_is_told_by_the_providers_event(delivery):
    row = delivery(Channel.SMS, state=DeliveryState.BOUNCED, reason="Blocked as spam by carrier")
    for cause, at in ((EventCause.TEMPORARY, 2), (EventCause.OPTED_OUT, 1)):
        ProviderEvent.objects.create(
            fingerprint=cause,
            kind=EventKind.BOUNCED,
            cause=cause,
            delivery=row,
            provider="sns",
            provider_message_id="1",
            occurred_at=timezone.now() - timedelta(hours=at),
        )
    assert way_of(row).brief == "Text message: came back, the owner of the number answered STOP"


@pytest.mark.parametrize(
    ("state", "values", "follows"),
    [
        (DeliveryState.DUE, {}, "The next try"),
        (DeliveryState.RETRYING, {}, "The next try"),
        (DeliveryState.SENDING, {}, "If our sender has stopped, another one takes over"),
        (DeliveryState.UNKNOWN, {}, "If no report comes, our rules decide"),
        (
            DeliveryState.UNKNOWN,
            {"next_attempt_at": None},
            "The office decides: send it again, or mark it as arrived",
        ),
        (DeliveryState.ACCEPTED, {}, ""),
        (DeliveryState.DELIVERED, {}, ""),
        (DeliveryState.COMPLAINED, {}, ""),
        (DeliveryState.FOLDED, {}, ""),
        (DeliveryState.BOUNCED, {}, "Nothing more happens by itself"),
        (DeliveryState.REJECTED, {}, "Nothing more happens by itself"),
        (DeliveryState.EXHAUSTED, {}, "Nothing more happens by itself"),
        (DeliveryState.SKIPPED, {"decision": Reason.NO_EMAIL}, "Nothing more happens by itself"),
        (DeliveryState.SKIPPED, {"decision": Reason.SETTLED}, ""),
    ],
)
def test_what_follows(delivery, state, values, follows):
    assert way_of(delivery(state=state, **values)).next == follows


def test_what_is_planned_is_not_about_to_be_sent(delivery):
    tomorrow = timezone.now() + timedelta(days=1)
    way = way_of(delivery(next_attempt_at=tomorrow))
    assert (way.sentence, way.next, way.next_at) == (
        "It is planned for later.",
        "The first try",
        tomorrow,
    )
    assert way.brief == f"E-mail: planned, {story.clock(tomorrow)}"
    refused = way_of(delivery(next_attempt_at=tomorrow, failures=1))
    assert (refused.sentence, refused.next) == ("It is about to be sent.", "The next try")


def test_what_is_settled_offers_no_further_try(delivery):
    assert way_of(delivery(state=DeliveryState.SKIPPED, decision=Reason.NO_EMAIL)).may_resend
    assert not way_of(delivery(state=DeliveryState.SKIPPED, decision=Reason.SETTLED)).may_resend


def test_a_text_that_failed_says_that_an_e_mail_went_instead(delivery):
    row = delivery(Channel.SMS, Priority.HIGH, state=DeliveryState.REJECTED)
    NotificationDeliveryLog.objects.create(delivery=row, attempt=1, event=LogEvent.FALLBACK)
    assert way_of(row).next == "It took another way instead: E-mail"


def test_a_stopped_channel_is_what_a_due_message_waits_for(delivery):
    row = delivery()
    circuit_breaker.stop(Channel.EMAIL, ChannelUnavailableError("paused", code="454"))
    way = way_of(row)
    assert way.next == "E-mail: stopped. It waits until that runs again"
    assert way.next_at is None


def test_it_names_who_decided(delivery):
    sam = User.objects.create_user("sam", first_name="Sam", last_name="Whitaker")
    way = way_of(delivery(state=DeliveryState.SKIPPED, decision=Reason.PERSON_OFF, decided_by=sam))
    assert (way.decider, way.by) == ("the person's choice", "Sam Whitaker")


def test_it_is_told_in_the_readers_language(delivery):
    row = delivery(state=DeliveryState.SKIPPED, decision=Reason.NO_EMAIL)
    with translation.override("es"):
        way = way_of(row)
    assert way.sentence == "No se envió."
    assert way.decider != "the contact details"


def test_many_stories_need_the_same_statements_as_one(delivery, django_assert_num_queries):
    for _ in range(5):
        row = delivery()
        NotificationDeliveryLog.objects.create(delivery=row, attempt=1, event=LogEvent.CALLING)
    with django_assert_num_queries(3):
        rows = list(story.with_story(Notification.objects.all()))
        assert sum(len(way.steps) for each in rows for way in story.of(each)) == 5


def test_a_reason_of_ours_is_not_told_twice(delivery):
    row = delivery()
    NotificationDeliveryLog.objects.create(
        delivery=row,
        attempt=0,
        event=LogEvent.SKIPPED,
        code=Reason.NO_CONSENT,
        detail=Reason.NO_CONSENT.label,
    )
    [step] = way_of(row).steps
    assert step.what == f"Not sent: {Reason.NO_CONSENT.label}"
    assert (step.code, step.detail) == ("no_consent", "")
