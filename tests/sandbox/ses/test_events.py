"""SES's events: real SMTP in, signed HTTP out."""

import signal
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from sandbox.testing import HOST, RunningSandbox, running_sandbox
from tests.support.clients import (
    ADDRESS,
    DELIVERY,
    ask,
    aws,
    send_email,
    send_over,
    send_text,
    smtp,
)
from tests.support.subscriber import Delivery, Subscriber, check_signature, running_subscriber
from tools.processes import wait_until

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def shared_subscriber() -> Iterator[Subscriber]:
    with running_subscriber() as subscriber:
        yield subscriber


@pytest.fixture(scope="module")
def subscribed_sandbox(shared_subscriber: Subscriber) -> Iterator[RunningSandbox]:
    with running_sandbox(0, shared_subscriber.url, None, "--events-delay=0.1") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(subscribed_sandbox: RunningSandbox) -> RunningSandbox:
    """Return a sandbox with a subscriber, without messages, rules or pending events."""
    wait_until(
        lambda: subscribed_sandbox.health()["events"]["waiting"] == 0, "every event was published"
    )
    subscribed_sandbox.clear()
    subscribed_sandbox.clear_rules()
    subscribed_sandbox.account(suppressed=[])
    return subscribed_sandbox


@pytest.fixture
def subscriber(sandbox: RunningSandbox, shared_subscriber: Subscriber) -> Subscriber:
    shared_subscriber.deliveries.clear()
    shared_subscriber.answer = lambda delivery: 200
    return shared_subscriber


def send(sandbox: RunningSandbox, *to: str, **headers: str) -> str:
    """Send an e-mail with a configuration set and return its ID."""
    with smtp(sandbox) as client:
        code, reply = send_over(client, *to, X_SES_CONFIGURATION_SET="rs-events", **headers)
    assert code == 250
    return reply.split()[1]


def wait_for(subscriber: Subscriber, *types: str) -> list[dict[str, Any]]:
    """Wait for as many events as there are names; return them, races in any order."""
    wait_until(lambda: len(subscriber.deliveries) >= len(types), f"{types} arrived")
    assert sorted(subscriber.types) == sorted(types)
    return [each.event for each in subscriber.deliveries]


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_event_comes_in_a_signed_sns_envelope(version: str) -> None:
    option = f"--signature-version={version}"
    with running_subscriber() as subscriber:
        with running_sandbox(0, subscriber.url, None, option) as sandbox:
            send(sandbox)
            wait_for(subscriber, "Send", "Delivery")
            for delivery in subscriber.deliveries:
                check_signature(delivery.envelope)
        delivery = subscriber.deliveries[0]

    envelope = delivery.envelope
    assert envelope.keys() == {
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion",
        "Signature", "SigningCertURL", "UnsubscribeURL",
    }  # fmt: skip
    assert envelope["Type"] == "Notification"
    assert envelope["SignatureVersion"] == version
    assert envelope["TopicArn"] == "arn:aws:sns:us-east-1:000000000000:rs-systems-ses-events"
    assert envelope["Subject"] == "Amazon SES Email Event Notification"
    assert UUID(envelope["MessageId"])
    assert datetime.strptime(envelope["Timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert envelope["Timestamp"][-5] == "." and envelope["Timestamp"].endswith("Z")  # noqa: PT018
    assert envelope["SigningCertURL"].startswith(f"{sandbox.url}/SimpleNotificationService-")
    assert envelope["SigningCertURL"].endswith(".pem")
    assert delivery.path == "/webhooks/aws/sns"
    assert delivery.headers["content-type"] == "text/plain; charset=UTF-8"
    assert delivery.headers["x-amz-sns-message-type"] == "Notification"
    assert delivery.headers["x-amz-sns-message-id"] == envelope["MessageId"]
    assert delivery.headers["x-amz-sns-topic-arn"] == envelope["TopicArn"]
    assert delivery.headers["x-amz-sns-subscription-arn"].startswith(envelope["TopicArn"] + ":")


def test_an_email_gets_a_send_and_a_delivery_event(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    tags = f"delivery={DELIVERY}, attempt=2"
    message_id = send(sandbox, X_SES_MESSAGE_TAGS=tags, To=f"Tom <{ADDRESS}>")

    sent, delivered = wait_for(subscriber, "Send", "Delivery")

    assert sent["send"] == {}
    assert delivered["delivery"]["recipients"] == [ADDRESS]
    assert delivered["delivery"]["processingTimeMillis"] >= 100
    for event in (sent, delivered):
        mail = event["mail"]
        assert mail["messageId"] == message_id
        assert mail["source"] == "no-reply@rs.example"
        assert mail["sendingAccountId"] == "000000000000"
        assert mail["destination"] == [ADDRESS]
        assert mail["headersTruncated"] is False
        assert {"name": "Subject", "value": "Ready"} in mail["headers"]
        assert mail["commonHeaders"]["from"] == ["RS <no-reply@rs.example>"]
        assert mail["commonHeaders"]["to"] == [f"Tom <{ADDRESS}>"]
        assert mail["commonHeaders"]["messageId"] == message_id
        assert mail["commonHeaders"]["subject"] == "Ready"
        assert mail["tags"]["delivery"] == [DELIVERY]
        assert mail["tags"]["attempt"] == ["2"]
        assert mail["tags"]["ses:configuration-set"] == ["rs-events"]
        assert mail["tags"]["ses:from-domain"] == ["rs.example"]


def test_headers_of_more_than_ten_kilobytes_are_truncated(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    send(sandbox, **{f"X_Long_{number}": "x" * 800 for number in range(20)})

    sent, _ = wait_for(subscriber, "Send", "Delivery")

    assert sent["mail"]["headersTruncated"] is True
    assert 5 < len(sent["mail"]["headers"]) < 20


@pytest.mark.parametrize(
    "headers",
    [
        {"From": "<<>>, ;", "To": "=?no-such?q?x?=, (", "Date": "yesterday"},
        {"To": "undisclosed-recipients:;", "Reply_To": '"', "Subject": "\x00"},
        {"To": "Müller <m@x.example>"},
    ],
)
def test_a_malformed_email_gets_events_too(
    sandbox: RunningSandbox, subscriber: Subscriber, headers: dict[str, str]
) -> None:
    send(sandbox, **headers)

    wait_for(subscriber, "Send", "Delivery")


def test_an_email_without_a_configuration_set_gets_no_events(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    send_email(sandbox)
    send(sandbox)

    wait_for(subscriber, "Send", "Delivery")
    assert [len(message["events"]) for message in sandbox.messages()] == [0, 2]


BOUNCED = [("bounceType", "Permanent"), ("bounceSubType", "General")]
EVENTS_OF = {
    "delivered": ["Send", "Delivery"],
    "bounce": ["Send", "Bounce"],
    "soft_bounce": ["Send", "Bounce"],
    "complaint": ["Send", "Delivery", "Complaint"],
    "delay": ["Send", "DeliveryDelay", "Delivery"],
    "reject": ["Send", "Reject"],
}


@pytest.mark.parametrize("outcome", EVENTS_OF)
def test_a_rule_decides_the_events_of_a_message(
    sandbox: RunningSandbox, subscriber: Subscriber, outcome: str
) -> None:
    sandbox.rule(to=ADDRESS, times=1, events={"outcome": outcome})

    send(sandbox)

    events = {event["eventType"]: event for event in wait_for(subscriber, *EVENTS_OF[outcome])}
    assert sandbox.rules() == []
    published = sandbox.messages()[0]["events"]
    assert [event["type"] for event in published] == EVENTS_OF[outcome]
    if bounce := events.get("Bounce", {}).get("bounce"):
        permanent = outcome == "bounce"
        assert bounce["bounceType"] == ("Permanent" if permanent else "Transient")
        assert bounce["bounceSubType"] == ("General" if permanent else "MailboxFull")
        [bounced] = bounce["bouncedRecipients"]
        assert bounced["emailAddress"] == ADDRESS
        assert bounced["status"] == ("5.1.1" if permanent else "4.2.2")
        assert bounced["diagnosticCode"].startswith("smtp; ")
        assert bounce["feedbackId"]
    if complaint := events.get("Complaint", {}).get("complaint"):
        assert complaint["complainedRecipients"] == [{"emailAddress": ADDRESS}]
        assert complaint["complaintFeedbackType"] == "abuse"
        assert complaint["complaintSubType"] is None
    if delay := events.get("DeliveryDelay", {}).get("deliveryDelay"):
        assert delay["delayType"] == "TransientCommunicationFailure"
        assert [each["emailAddress"] for each in delay["delayedRecipients"]] == [ADDRESS]
    if reject := events.get("Reject", {}).get("reject"):
        assert reject == {"reason": "Bad content"}


@pytest.mark.parametrize(
    ("mailbox", "types", "sub_type"),
    [
        ("success", ["Send", "Delivery"], None),
        ("ooto", ["Send", "Delivery"], None),
        ("bounce", ["Send", "Bounce"], "General"),
        ("Bounce+label", ["Send", "Bounce"], "General"),
        ("suppressionlist", ["Send", "Bounce"], "Suppressed"),
        ("complaint+1", ["Send", "Delivery", "Complaint"], None),
    ],
)
def test_the_addresses_of_the_mailbox_simulator_behave_as_at_aws(
    sandbox: RunningSandbox,
    subscriber: Subscriber,
    mailbox: str,
    types: list[str],
    sub_type: str | None,
) -> None:
    send(sandbox, f"{mailbox}@simulator.amazonses.com")

    events = wait_for(subscriber, *types)

    bounces = [event["bounce"] for event in events if event["eventType"] == "Bounce"]
    assert [bounce["bounceSubType"] for bounce in bounces] == ([sub_type] if sub_type else [])
    assert all(bounce["bounceType"] == "Permanent" for bounce in bounces)


def test_each_recipient_of_one_email_gets_an_outcome_of_its_own(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    bad = "bounce@simulator.amazonses.com"
    send(sandbox, ADDRESS, bad)

    events = {e["eventType"]: e for e in wait_for(subscriber, "Send", "Delivery", "Bounce")}

    assert events["Send"]["mail"]["destination"] == [ADDRESS, bad]
    assert events["Delivery"]["delivery"]["recipients"] == [ADDRESS]
    [bounced] = events["Bounce"]["bounce"]["bouncedRecipients"]
    assert bounced["emailAddress"] == bad


def test_a_message_can_have_no_events(sandbox: RunningSandbox, subscriber: Subscriber) -> None:
    sandbox.rule(to="silent@customer.example", events={"outcome": "none"})
    silent = send(sandbox, "silent@customer.example")
    send(sandbox)

    wait_for(subscriber, "Send", "Delivery")
    assert sandbox.message(silent)["events"] == []


def test_early_events_arrive_before_the_send_call_is_answered(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    sandbox.rule(events={"timing": "early"})

    message_id = send(sandbox)

    assert subscriber.types == ["Send", "Delivery"]
    assert [event["status"] for event in sandbox.message(message_id)["events"]] == [200, 200]


def test_late_events_are_delayed(sandbox: RunningSandbox, subscriber: Subscriber) -> None:
    sandbox.rule(events={"timing": "late", "late_s": 0.7})
    started = time.monotonic()
    send(sandbox)

    wait_until(lambda: bool(subscriber.deliveries), "the first arrived")

    assert time.monotonic() - started >= 0.7


def test_a_second_copy_is_redelivered_and_a_third_is_republished(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    sandbox.rule(events={"copies": 3, "timing": "early"})
    send(sandbox)

    wait_for(subscriber, *["Send"] * 3, *["Delivery"] * 3)
    of_send = [each.envelope for each in subscriber.deliveries if each.type == "Send"]
    assert sorted(
        [each.envelope["MessageId"] for each in subscriber.deliveries].count(each["MessageId"])
        for each in of_send
    ) == [1, 2, 2]
    assert len({each["Message"] for each in of_send}) == 1
    for envelope in of_send:
        check_signature(envelope)


def test_reversed_events_come_one_after_another(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    answered: list[str] = []

    def slowly(delivery: Any) -> int:
        before = list(answered)
        threading.Event().wait(0.2)
        answered.append(delivery.type)
        assert before == answered[:-1]
        return 200

    subscriber.answer = slowly
    sandbox.rule(events={"outcome": "complaint", "reversed": True})
    send(sandbox)

    wait_for(subscriber, "Complaint", "Delivery", "Send")
    assert subscriber.types == ["Complaint", "Delivery", "Send"]


def test_an_event_is_posted_again_until_the_application_accepts_it(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    statuses = iter([503, 500])
    subscriber.answer = lambda delivery: next(statuses, 204)
    sandbox.rule(events={"outcome": "reject", "timing": "early"})

    message_id = send(sandbox)

    assert subscriber.types == ["Send", "Send", "Send", "Reject"]
    assert len({each.envelope["MessageId"] for each in subscriber.deliveries[:3]}) == 1
    assert [event["status"] for event in sandbox.message(message_id)["events"]] == [204, 204]


def test_a_4xx_answer_is_final_and_counted_as_refused(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    subscriber.answer = lambda delivery: 403
    before = sandbox.health()["events"]
    sandbox.rule(events={"timing": "early"})

    message_id = send(sandbox)

    assert subscriber.types == ["Send", "Delivery"]
    assert [event["status"] for event in sandbox.message(message_id)["events"]] == [403, 403]
    after = sandbox.health()["events"]
    assert after["published"] - before["published"] == 2
    assert after["refused"] - before["refused"] == 2


def test_an_application_that_starts_later_gets_missed_events() -> None:
    with socket.socket() as held:
        held.bind((HOST, 0))
        url = f"http://{HOST}:{held.getsockname()[1]}/"
        with running_sandbox(0, url, None, "--events-delay=0") as sandbox:
            message_id = send(sandbox)
            wait_until(lambda: sandbox.health()["events"]["waiting"] == 2, "both wait")
            assert [e["status"] for e in sandbox.message(message_id)["events"]] == [None, None]

            held.listen()
            held.settimeout(20)
            connection, _ = held.accept()
            with connection:
                assert connection.recv(4) == b"POST"


def test_an_application_that_hangs_does_not_delay_sending(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    goes_on = threading.Event()
    subscriber.answer = lambda delivery: 200 if goes_on.wait(60) else 500
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: send(sandbox), range(10)))

    wait_until(lambda: len(subscriber.deliveries) == 16, "as many are on their way as may be")
    goes_on.set()

    def has_come(message_id: str) -> bool:
        return {each.type for each in subscriber.of(message_id)} == {"Send", "Delivery"}

    wait_until(lambda: all(map(has_come, ids)), "all have come")


def test_stopping_drops_undelivered_events_without_an_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with running_sandbox(0, f"http://{HOST}:9/", None, "--events-delay=0") as sandbox:
        send(sandbox)
        send_text(sandbox)
        wait_until(lambda: sandbox.health()["events"]["waiting"] == 2, "both wait")
        sandbox.process.send_signal(signal.SIGTERM)

        assert sandbox.process.wait(timeout=60) == 0
    assert capfd.readouterr().err == ""


def test_a_refused_message_uses_no_rule_about_events(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    sandbox.rule(events={"outcome": "bounce"}, times=1)
    sandbox.rule(answer="transient", times=1)

    assert send_email(sandbox)[0] == 451
    assert [rule["used"] for rule in sandbox.rules()] == [0]

    send(sandbox)
    wait_for(subscriber, "Send", "Bounce")


def test_a_message_accepted_without_an_answer_gets_events(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    sandbox.rule(answer="accept_then_drop", times=1, events={"outcome": "delivered"})

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(sandbox)

    wait_for(subscriber, "Send", "Delivery")
    assert sandbox.rules() == []


def asked_to_confirm(sandbox: RunningSandbox, subscriber: Subscriber) -> Delivery:
    answer, _ = ask(sandbox, "/api/subscription", "POST")
    assert answer.status == 202
    wait_until(lambda: bool(subscriber.deliveries), "it was asked")
    [delivery] = subscriber.deliveries
    return delivery


def test_a_subscription_is_confirmed_with_its_token(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    delivery = asked_to_confirm(sandbox, subscriber)
    envelope = delivery.envelope
    check_signature(envelope)
    assert envelope["Type"] == "SubscriptionConfirmation"
    assert delivery.headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert "x-amz-sns-subscription-arn" not in delivery.headers
    assert envelope["Token"] in envelope["SubscribeURL"]
    assert ask(sandbox, "/api/subscription")[1] == {"confirmed": False}

    sns = aws(sandbox)
    with pytest.raises(sns.exceptions.InvalidParameterException):
        sns.confirm_subscription(TopicArn=envelope["TopicArn"], Token="another")
    assert ask(sandbox, "/api/subscription")[1] == {"confirmed": False}
    confirmed = sns.confirm_subscription(
        TopicArn=envelope["TopicArn"], Token=envelope["Token"], AuthenticateOnUnsubscribe="true"
    )

    assert confirmed["SubscriptionArn"].startswith(f"{envelope['TopicArn']}:")
    assert ask(sandbox, "/api/subscription")[1] == {"confirmed": True}


def test_a_denied_caller_can_confirm_only_without_a_signature(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    envelope = asked_to_confirm(sandbox, subscriber).envelope
    parameters = {"TopicArn": envelope["TopicArn"], "Token": envelope["Token"]}
    unsigned = aws(sandbox, signature_version=UNSIGNED)
    sandbox.account(denied=["sns:ConfirmSubscription"])

    with pytest.raises(ClientError, match="not authorized to perform: sns:ConfirmSubscription"):
        aws(sandbox).confirm_subscription(**parameters, AuthenticateOnUnsubscribe="true")
    with pytest.raises(ClientError, match="MissingAuthenticationToken"):
        unsigned.confirm_subscription(**parameters, AuthenticateOnUnsubscribe="true")
    with pytest.raises(ClientError, match="MissingAuthenticationToken"):
        unsigned.list_phone_numbers_opted_out()
    assert ask(sandbox, "/api/subscription")[1] == {"confirmed": False}
    unsigned.confirm_subscription(**parameters)

    sandbox.account(denied=[])
    assert ask(sandbox, "/api/subscription")[1] == {"confirmed": True}


def test_without_a_subscriber_no_event_is_published(
    shared_sandbox: RunningSandbox,
) -> None:
    message_id = send(shared_sandbox)

    assert shared_sandbox.message(message_id)["events"] == []
    health = shared_sandbox.health()
    assert health["events_url"] is None
    assert health["events"]["published"] == 0
    assert ask(shared_sandbox, "/api/subscription", "POST")[0].status == 409


def suppressed(sandbox: RunningSandbox) -> dict[str, str]:
    return {each["address"]: each["reason"] for each in sandbox.account()["suppressed"]}


@pytest.mark.parametrize(
    ("outcome", "reason"), [("bounce", "BOUNCE"), ("complaint", "COMPLAINT"), ("soft_bounce", "")]
)
def test_ses_suppresses_addresses_that_bounced_or_complained(
    sandbox: RunningSandbox, subscriber: Subscriber, outcome: str, reason: str
) -> None:
    sandbox.rule(times=1, events={"outcome": outcome})
    send(sandbox)
    wait_until(lambda: sandbox.health()["events"]["waiting"] == 0, "all is published")
    assert suppressed(sandbox) == ({ADDRESS: reason} if reason else {})


def test_an_email_to_a_suppressed_address_bounces_despite_rules(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    sandbox.account(suppressed=[ADDRESS.upper()])
    sandbox.rule(times=1, events={"outcome": "delivered", "timing": "early"})
    send(sandbox)
    bounce = subscriber.deliveries[-1].event["bounce"]
    assert (bounce["bounceType"], bounce["bounceSubType"]) == (
        "Permanent",
        "OnAccountSuppressionList",
    )


def test_the_mailbox_simulator_s_addresses_are_never_suppressed(
    sandbox: RunningSandbox, subscriber: Subscriber
) -> None:
    for name in ("bounce", "complaint+1", "suppressionlist"):
        send(sandbox, f"{name}@simulator.amazonses.com")
    wait_until(lambda: sandbox.health()["events"]["waiting"] == 0, "all is published")
    assert suppressed(sandbox) == {}
