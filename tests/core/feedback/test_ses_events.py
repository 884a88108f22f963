import json
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.core.feedback import ses_events
from apps.core.models import ProviderEvent
from apps.core.states import EventCause, EventKind
from tests.support.ses_events import BOUNCE, COMPLAINT, DELIVERY, ID, JANE, OURS, mail

pytestmark = pytest.mark.usefixtures("fetched")


DELAY = {
    "delayType": "MailboxFull",
    "delayedRecipients": [
        {"emailAddress": JANE, "status": "4.2.2", "diagnosticCode": "452 4.2.2 over quota"}
    ],
    "expirationTime": "2026-11-25T22:00:00.000Z",
    "reportingMTA": "mta.example",
    "timestamp": "2026-11-25T10:10:00.000Z",
}
FAILURE = {"templateName": "t", "errorMessage": "Attribute 'x' is not present"}

#: eventType, its key, what it says; our kind, code and detail.
EVENTS: list[tuple[str, str, dict[str, Any], EventKind, str, str]] = [
    ("Send", "send", {}, EventKind.SENT, "", ""),
    ("Delivery", "delivery", DELIVERY, EventKind.DELIVERED, "", "250 2.6.0 Message received"),
    (
        "Bounce",
        "bounce",
        BOUNCE,
        EventKind.BOUNCED,
        "Permanent General",
        "5.1.1 smtp; 550 5.1.1 user unknown",
    ),
    ("Complaint", "complaint", COMPLAINT, EventKind.COMPLAINED, "abuse", ""),
    ("Reject", "reject", {"reason": "Bad content"}, EventKind.REJECTED, "", "Bad content"),
    (
        "DeliveryDelay",
        "deliveryDelay",
        DELAY,
        EventKind.DELAYED,
        "MailboxFull",
        "4.2.2 452 4.2.2 over quota",
    ),
    (
        "Rendering Failure",
        "failure",
        FAILURE,
        EventKind.REJECTED,
        "",
        "Attribute 'x' is not present",
    ),
]


@pytest.mark.parametrize(("name", "key", "said", "kind", "code", "detail"), EVENTS)
def test_each_event_of_a_configuration_set_is_parsed(
    name: str, key: str, said: dict[str, Any], kind: EventKind, code: str, detail: str
) -> None:
    (found,) = ses_events.parse(json.dumps({"eventType": name, "mail": mail(), key: said}), "sns-1")
    assert (found.kind, found.code, found.detail) == (kind, code, detail)
    assert (found.provider, found.provider_message_id) == ("ses", ID)
    assert (found.delivery_ref, found.attempt, found.envelope_id) == (OURS, 2, "sns-1")
    assert found.recipient == JANE
    assert found.cause == (EventCause.ADDRESS if name == "Bounce" else EventCause.NONE)


@pytest.mark.parametrize("index", [1, 2, 3])
def test_a_notification_of_an_identity_is_parsed_without_our_tags(
    index: int,
) -> None:
    name, key, said, kind, _, _ = EVENTS[index]
    bare = mail(sourceIp="192.0.2.1", callerIdentity="rs-systems")
    del bare["tags"], bare["headers"], bare["commonHeaders"], bare["headersTruncated"]
    content = {"notificationType": name, "mail": bare, key: {**said, "remoteMtaIp": "192.0.2.2"}}
    (found,) = ses_events.parse(json.dumps(content), "sns-1")
    assert (found.kind, found.provider_message_id, found.delivery_ref) == (kind, ID, None)


@pytest.mark.parametrize("name", ["Open", "Click", "Subscription", "SomethingNew", None])
def test_events_that_do_not_concern_a_delivery_are_ignored(name: str | None) -> None:
    assert ses_events.parse(json.dumps({"eventType": name, "mail": mail()}), "sns-1") == []


def test_the_time_is_that_of_the_event_or_else_of_the_message() -> None:
    (bounce,) = ses_events.parse(
        json.dumps({"eventType": "Bounce", "mail": mail(), "bounce": BOUNCE}), "a"
    )
    (send,) = ses_events.parse(json.dumps({"eventType": "Send", "mail": mail(), "send": {}}), "b")
    assert bounce.occurred_at == datetime(2026, 11, 25, 10, 0, 2, 500_000, tzinfo=UTC)
    assert send.occurred_at == datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


def test_only_the_same_event_in_another_envelope_has_the_same_fingerprint() -> None:
    def of(said: dict[str, Any], envelope: str) -> str:
        content = {"eventType": "Bounce", "mail": mail(), "bounce": said}
        return ses_events.parse(json.dumps(content), envelope)[0].fingerprint

    assert of(BOUNCE, "one") == of(BOUNCE, "two")
    assert of(BOUNCE, "one") != of({**BOUNCE, "feedbackId": "another"}, "one")


def test_a_complaint_counts_for_the_address_that_we_wrote_to() -> None:
    content = {"eventType": "Complaint", "mail": mail(), "complaint": COMPLAINT}
    assert [row.recipient for row in ses_events.parse(json.dumps(content), "s")] == [JANE]


def test_not_spam_is_no_complaint() -> None:
    said = {**COMPLAINT, "complaintFeedbackType": "not-spam"}
    content = {"eventType": "Complaint", "mail": mail(), "complaint": said}
    assert [row.kind for row in ses_events.parse(json.dumps(content), "s")] == [EventKind.DELIVERED]


def test_a_bounce_of_several_recipients_is_an_event_of_each() -> None:
    both = [{"emailAddress": "A@x.example"}, {"emailAddress": "b@x.example", "newField": 1}]
    content = {
        "eventType": "Bounce",
        "mail": mail(destination=["a@x.example", "b@x.example", "c@x.example"]),
        "bounce": {**BOUNCE, "bouncedRecipients": both},
    }
    found = ses_events.parse(json.dumps(content), "s")
    assert [row.recipient for row in found] == ["a@x.example", "b@x.example"]
    assert len({row.fingerprint for row in found}) == 2


def test_a_bounce_counts_for_the_address_that_we_wrote_to() -> None:
    (named,) = json.loads(json.dumps(BOUNCE))["bouncedRecipients"]
    forwarded = [named | {"emailAddress": "victim@elsewhere.example"}]
    content = {
        "eventType": "Bounce",
        "mail": mail(),
        "bounce": {**BOUNCE, "bouncedRecipients": forwarded},
    }
    (found,) = ses_events.parse(json.dumps(content), "s")
    assert (found.recipient, found.detail) == (JANE, "5.1.1 smtp; 550 5.1.1 user unknown")


@pytest.mark.parametrize(
    "tags",
    [
        {"delivery": ["not-a-uuid"], "attempt": ["x"]},
        {"attempt": ["-1"]},
        {"attempt": ["4" * 12]},
        {"delivery": [], "attempt": []},
        {},
        None,
    ],
)
def test_tags_that_are_not_ours_are_ignored(tags: Any) -> None:
    content = {"eventType": "Send", "mail": mail(tags=tags), "send": {}}
    (found,) = ses_events.parse(json.dumps(content), "s")
    assert (found.delivery_ref, found.attempt) == (None, None)


@pytest.mark.parametrize(
    "message",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "null",
        "[]",
        "{}",
        '{"eventType": "Send", "mail": {}}',
        json.dumps({"eventType": "Delivery", "mail": mail(), "delivery": {"timestamp": "soon"}}),
        json.dumps({"eventType": "Bounce", "mail": mail(), "bounce": {"bouncedRecipients": [1]}}),
        json.dumps({"eventType": "Send", "mail": mail(timestamp="9999-12-31T23:59:59-05:00")}),
        json.dumps({"eventType": "Send", "mail": mail(timestamp="0001-01-01T00:00:00+05:00")}),
        json.dumps(
            {"eventType": "Bounce", "mail": mail(), "bounce": {"bouncedRecipients": {"a": 1}}}
        ),
        json.dumps({"eventType": "Send", "mail": mail(messageId=None), "send": {}}),
        json.dumps({"eventType": "Send", "mail": mail(destination=None), "send": {}}),
        json.dumps({"eventType": "Send", "mail": mail(destination=[]), "send": {}}),
        json.dumps({"eventType": "Send", "mail": mail(destination=JANE), "send": {}}),
        '{"mail": ' + "[" * 100_000,
    ],
)
def test_a_text_that_is_no_event_is_refused(message: str) -> None:
    with pytest.raises(ses_events.NotAnEvent):
        ses_events.parse(message, "sns-1")


def parse_bounce(recipient: dict[str, Any], **details: Any) -> ProviderEvent:
    said = {**BOUNCE, **details, "bouncedRecipients": [{"emailAddress": JANE, **recipient}]}
    content = {"eventType": "Bounce", "mail": mail(), "bounce": said}
    (found,) = ses_events.parse(json.dumps(content), "s")
    return found


@pytest.mark.parametrize(
    ("subtype", "status", "answer", "cause"),
    [
        ("General", "5.4.4", "smtp; 550 5.4.4 Invalid domain", EventCause.ADDRESS),
        ("General", "4.4.4", "smtp; 550 5.4.4 Invalid domain", EventCause.ADDRESS),
        ("General", None, "smtp; 550 user unknown", EventCause.ADDRESS),
        ("General", None, "smtp; 550", EventCause.ADDRESS),
        ("General", None, " SMTP;550: 5.1.1 unknown", EventCause.ADDRESS),
        ("General", None, "smtp; 550 #5.1.0 rejected", EventCause.ADDRESS),
        ("General", None, "smtp; 550\n5.1.1 unknown", EventCause.ADDRESS),
        ("General", None, "smtp; 5.1.1 unknown", EventCause.ADDRESS),
        ("General", None, "x-unix; 550 5.1.1 unknown", EventCause.ADDRESS),
        ("General", None, "dns; host not found", EventCause.TEMPORARY),
        ("General", "5.0.0", "smtp; 450 4.2.1 try later", EventCause.TEMPORARY),
        ("General", "5.1.1", None, EventCause.ADDRESS),
        ("Undetermined", "5.1.1", "550-5.1.1 unknown", EventCause.ADDRESS),
        ("General", "4.4.7", "smtp; 550 4.4.7 Message expired", EventCause.TEMPORARY),
        ("General", "4.2.1", "smtp; 450 4.2.1 try later", EventCause.TEMPORARY),
        ("General", "5.2.2", "smtp; 552 5.2.2 mailbox full", EventCause.TEMPORARY),
        ("General", "5.7.1", "smtp; 550 5.7.1 looks like spam", EventCause.TEMPORARY),
        ("MailboxFull", "5.0.0", "smtp; 552 over quota", EventCause.TEMPORARY),
        ("MessageTooLarge", "5.0.0", "smtp; 552 too large", EventCause.TEMPORARY),
    ],
)
def test_a_bounce_called_transient_is_judged_by_the_server_s_answer(
    subtype: str, status: str | None, answer: str | None, cause: EventCause
) -> None:
    recipient = {"status": status, "diagnosticCode": answer}
    found = parse_bounce(recipient, bounceType="Transient", bounceSubType=subtype)
    assert (found.kind, found.cause) == (EventKind.BOUNCED, cause)


@pytest.mark.parametrize("nothing", [{}, dict.fromkeys(("status", "diagnosticCode"), None)])
@pytest.mark.parametrize("blank", ["", " "])
def test_a_transient_bounce_without_a_code_is_an_automatic_reply(
    nothing: dict[str, Any], blank: str
) -> None:
    recipient = {**dict.fromkeys(("status", "diagnosticCode"), blank), **nothing}
    found = parse_bounce(recipient, bounceType="Transient", bounceSubType="General")
    assert (found.kind, found.cause) == (EventKind.REPLIED, EventCause.NONE)


def test_a_null_in_any_optional_field_loses_no_event() -> None:
    for name, key, said, kind, *_ in EVENTS:
        content = {"eventType": name, "mail": mail(tags=None), key: dict.fromkeys(said)}
        (found,) = ses_events.parse(json.dumps(content), "s")
        assert (found.kind, found.recipient) == (kind, JANE)


def test_a_complaint_of_ses_s_own_list_is_the_bounce_of_that_name() -> None:
    said = {**COMPLAINT, "complaintSubType": "OnAccountSuppressionList"}
    content = {"eventType": "Complaint", "mail": mail(), "complaint": said}
    (found,) = ses_events.parse(json.dumps(content), "s")
    assert (found.kind, found.cause) == (EventKind.BOUNCED, EventCause.OWN_LIST)


@pytest.mark.parametrize("value", [None, [], [None], [{}], [{"emailAddress": None}]])
def test_a_bounce_without_a_list_of_recipients_is_of_the_one_we_wrote_to(value: Any) -> None:
    content = {
        "eventType": "Bounce",
        "mail": mail(),
        "bounce": {**BOUNCE, "bouncedRecipients": value},
    }
    (found,) = ses_events.parse(json.dumps(content), "s")
    assert (found.kind, found.recipient) == (EventKind.BOUNCED, JANE)


def test_half_an_emoji_becomes_the_replacement_character() -> None:
    code = '"smtp; 550 no \\ud83d mailbox \\ud83d\\ude00 \\\\ud83d"'
    content = {"eventType": "Bounce", "mail": mail(), "bounce": BOUNCE}
    text = json.dumps(content).replace('"smtp; 550 5.1.1 user unknown"', code)
    (found,) = ses_events.parse(text, "s")
    assert found.detail == "5.1.1 smtp; 550 no \ufffd mailbox \U0001f600 \\ud83d"
