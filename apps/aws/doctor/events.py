"""Checks of the way of SES's events: configuration set, topic, subscription, queue."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from apps.aws.account import Account, NotThere
from apps.core.audit.findings import Finding, Unseen, fail, ok, warn
from apps.core.models import NotificationDeliveryLog, ProviderEvent
from apps.core.providers import sqs
from apps.core.states import Channel, LogEvent

#: The types that apps.core.feedback.ses_events understands, as SES's API spells them.
EVENT_TYPES = {
    "SEND",
    "DELIVERY",
    "BOUNCE",
    "COMPLAINT",
    "REJECT",
    "DELIVERY_DELAY",
    "RENDERING_FAILURE",
}
#: Waiting messages from which to warn: one run reads thousands.
MANY_WAIT = 1000
#: How long the first event of an e-mail may take.
PATIENCE = timedelta(minutes=10)
_PENDING = {"PendingConfirmation", "Deleted"}


def _ses(account: Account, action: str) -> dict[str, Any]:
    """Ask SES about the configuration set."""
    if not settings.AWS_SES_CONFIGURATION_SET:
        raise Unseen(
            warn(
                "AWS_SES_CONFIGURATION_SET is empty: no event tells the outcome of an e-mail",
                "Create a configuration set with an event destination, and name it there.",
            )
        )
    return account.ask(
        "sesv2",
        action,
        settings.AWS_SES_REGION_NAME,
        ConfigurationSetName=settings.AWS_SES_CONFIGURATION_SET,
    )


def configuration_set(account: Account) -> Finding:
    """Check that the configuration set exists: SES refuses e-mails that name another."""
    name = settings.AWS_SES_CONFIGURATION_SET
    try:
        found = _ses(account, "GetConfigurationSet")
    except NotThere:
        return fail(
            f"there is no configuration set {name}: SES refuses every e-mail that names it",
            "Create it, or correct AWS_SES_CONFIGURATION_SET.",
        )
    if not found.get("SendingOptions", {}).get("SendingEnabled", True):
        return fail(f"{name} is there, and its sending is paused", "Switch its sending on.")
    return ok(f"{name} is there")


def destination(account: Account) -> Finding:
    """Check that every type of event that we use goes to a topic that we trust."""
    destinations = _ses(account, "GetConfigurationSetEventDestinations")["EventDestinations"]
    topics: dict[str, set[str]] = {}
    for each in destinations:
        if each.get("Enabled") and "SnsDestination" in each:
            types = topics.setdefault(each["SnsDestination"]["TopicArn"], set())
            types.update(each["MatchingEventTypes"])
    if not topics:
        return fail(
            "no event destination publishes to an SNS topic",
            "Add one for a topic of AWS_SES_EVENT_TOPIC_ARNS to the configuration set.",
        )
    trusted = topics.keys() & set(settings.AWS_EVENT_TOPIC_ARNS)
    if not trusted:
        return fail(
            f"events go to {_names(topics)}, which AWS_SES_EVENT_TOPIC_ARNS does not have",
            "Add it there if it is yours, or correct the event destination.",
        )
    if missing := EVENT_TYPES - set().union(*(topics[arn] for arn in trusted)):
        return fail(
            f"these are not published: {', '.join(sorted(missing))}",
            "Add them to the event destination.",
        )
    return ok(f"all {len(EVENT_TYPES)} types go to {_names(trusted)}")


def topic(account: Account) -> Finding:
    """Check that our topics exist and sign by version 2, which is SHA-256."""
    old = []
    for arn in _topics():
        try:
            attributes = account.ask("sns", "GetTopicAttributes", _region(arn), TopicArn=arn)
        except NotThere:
            return fail(
                f"there is no topic {arn}", "Create it, or correct AWS_SES_EVENT_TOPIC_ARNS."
            )
        if attributes["Attributes"].get("SignatureVersion", "1") != "2":
            old.append(arn)
    if old:
        return warn(
            f"{_names(old)} signs by version 1, which is SHA-1",
            "Set the topic's SignatureVersion to 2.",
        )
    return ok(f"{_names(_topics())} is there, and signs by version 2")


def subscription(account: Account) -> Finding:
    """Check that the topics' messages come to us in a signed envelope."""
    ways: set[str] = set()
    for arn in _topics():
        ours = _subscriptions(account, arn)
        if not ours:
            return fail(
                f"{_names([arn])} is subscribed to neither by {_webhook()} nor by a queue of ours",
                "Subscribe one of them.",
            )
        for each in ours:
            if each["SubscriptionArn"] in _PENDING:
                return fail(
                    f"{each['Endpoint']} has not confirmed its subscription",
                    "Have SNS ask again (request confirmation) while the site runs and may "
                    "sns:ConfirmSubscription.",
                )
            if _is_raw(account, arn, each["SubscriptionArn"]):
                return fail(
                    f"{each['Endpoint']} gets messages raw, without a signature, and refuses them",
                    "Switch raw message delivery off.",
                )
            ways.add(each["Protocol"])
    if settings.AWS_SES_EVENT_QUEUE_URL and "sqs" not in ways:
        return warn(
            "AWS_SES_EVENT_QUEUE_URL is read, and its queue subscribes to no topic",
            "Subscribe the queue, or leave the variable out.",
        )
    return ok(f"confirmed, by {' and '.join(sorted(ways))}")


def queue(account: Account) -> Finding:
    """Check that the queue is read."""
    attributes = _queue(account, _queue_url())
    waiting = int(attributes["ApproximateNumberOfMessages"])
    found = f"{waiting:,} wait in the queue"
    if waiting > MANY_WAIT:
        return warn(found, "See workers.beat: the queue is read every 10 seconds.")
    return ok(found)


def dead_letters(account: Account) -> Finding:
    """Check that the queue's dead letters are empty."""
    policy = json.loads(_queue(account, _queue_url()).get("RedrivePolicy", "{}"))
    if "deadLetterTargetArn" not in policy:
        return warn(
            "the queue has no dead letters: what cannot be read stays in it for days",
            "Give it a redrive policy, as deploy/cloudformation has it.",
        )
    owner, name = policy["deadLetterTargetArn"].split(":")[4:6]
    url = urlsplit(_queue_url())._replace(path=f"/{owner}/{name}").geturl()
    dead = int(_queue(account, url)["ApproximateNumberOfMessages"])
    if dead:
        return warn(f"{dead:,} dead letters", "Look at them, and redrive or purge them.")
    return ok("no dead letters")


def last(account: Account) -> Finding:
    """Check that an event has come since the last e-mail that SES accepted."""
    newest = ProviderEvent.objects.filter(provider="ses").order_by("-received_at").first()
    taken = NotificationDeliveryLog.objects.filter(
        event=LogEvent.ACCEPTED,
        delivery__channel=Channel.EMAIL,
        # By SMTP or by the API.
        provider__startswith="ses",
        at__lt=timezone.now() - PATIENCE,
    )
    at = taken.order_by("-at").values_list("at", flat=True).first()
    if at and (newest is None or newest.received_at < at):
        return fail(
            f"SES accepted an e-mail at {at:%Y-%m-%d %H:%M} UTC, and no event has come since",
            "Follow them: events.destination, events.subscription, then the site's log.",
        )
    return ok(f"the last came at {newest.received_at:%Y-%m-%d %H:%M} UTC" if newest else "none yet")


def _topics() -> list[str]:
    if not settings.AWS_EVENT_TOPIC_ARNS:
        raise Unseen(
            warn(
                "AWS_SES_EVENT_TOPIC_ARNS is empty: no event is trusted",
                "Set it to the topic of the event destination.",
            )
        )
    return list(settings.AWS_EVENT_TOPIC_ARNS)


def _subscriptions(account: Account, arn: str) -> list[dict[str, str]]:
    """Return the subscriptions that bring the topic's messages to us."""
    page = account.ask("sns", "ListSubscriptionsByTopic", _region(arn), TopicArn=arn)
    return [each for each in page["Subscriptions"] if _is_ours(each)]


def _is_ours(subscription: dict[str, str]) -> bool:
    endpoint = subscription["Endpoint"]
    if subscription["Protocol"] != "sqs":
        return endpoint == _webhook()
    owner_and_name = ":".join(urlsplit(settings.AWS_SES_EVENT_QUEUE_URL).path.split("/")[-2:])
    return endpoint.endswith(f":{owner_and_name}")


def _webhook() -> str:
    return f"{settings.SITE_URL.rstrip('/')}{reverse('aws-sns')}"


def _is_raw(account: Account, topic_arn: str, subscription_arn: str) -> bool:
    answer = account.ask(
        "sns",
        "GetSubscriptionAttributes",
        _region(topic_arn),
        SubscriptionArn=subscription_arn,
    )
    return str(answer["Attributes"].get("RawMessageDelivery")).lower() == "true"


def _queue_url() -> str:
    if not settings.AWS_SES_EVENT_QUEUE_URL:
        raise Unseen(ok("no queue is used"))
    return str(settings.AWS_SES_EVENT_QUEUE_URL)


def _queue(account: Account, url: str) -> dict[str, Any]:
    queue = sqs.locate(url)
    answer = account.ask(
        "sqs",
        "GetQueueAttributes",
        queue.region,
        endpoint=queue.endpoint,
        QueueUrl=url,
        AttributeNames=["All"],
    )
    return dict(answer["Attributes"])


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _names(arns: Any) -> str:
    return ", ".join(sorted(arn.rpartition(":")[2] for arn in arns))
