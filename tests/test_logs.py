"""What the whole path writes to its logs: ids to follow, and no personal data."""

import io
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from apps.core.models import Contact, Delivery
from apps.core.redaction import RedactingFormatter
from apps.core.states import Channel, DeliveryState
from apps.repairs.models import Repair, Status
from sandbox.testing import RunningSandbox

from .support.services import Worker, wait_with_beat

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def own_log() -> Iterator[io.StringIO]:
    """Yield all that this process logs, as production's handler would write it."""
    kept = io.StringIO()
    handler = logging.StreamHandler(kept)
    handler.setFormatter(RedactingFormatter("json"))
    logging.getLogger().addHandler(handler)
    yield kept
    logging.getLogger().removeHandler(handler)


def test_an_approval_can_be_followed_by_its_ids_and_names_nobody(
    client: Any,
    worker: Callable[..., Worker],
    running: RunningSandbox,
    own_log: io.StringIO,
) -> None:
    call_command("seed_demo", stdout=io.StringIO())
    manager = User.objects.get(username="maria")
    repair = Repair.objects.filter(
        status=Status.AWAITING_APPROVAL, batch=None, unit__company=manager.profile.company
    ).first()
    assert repair
    running.rule(channel="sms", answer="permanent")
    running.rule(channel="email", answer="throttle", times=1)
    started = worker(
        LOG_FORMAT="json",
        SMS_ENABLED="true",
        AWS_SES_PORT=str(running.smtp_port),
        SMS_BACKEND="apps.core.providers.sns.SNS",
        AWS_ENDPOINT_URL_SNS=running.aws_url,
    )
    before = set(Delivery.objects.values_list("pk", flat=True))
    client.force_login(manager)
    request_id = uuid.uuid4().hex
    url = f"/repairs/{repair.pk}/approve/"
    assert client.post(url, headers={"X-Request-ID": request_id})["X-Request-ID"] == request_id
    made = Delivery.objects.exclude(pk__in=before)

    def is_done() -> bool:
        return set(made.values_list("channel", "state")) == {
            (Channel.EMAIL, DeliveryState.ACCEPTED),
            (Channel.SMS, DeliveryState.REJECTED),
        }

    wait_with_beat(is_done, "the e-mail is accepted and the text is refused")
    entries = [json.loads(line) for line in started.output.splitlines() if line.startswith("{")]

    # From the request to the task, and from the task to the delivery.
    woken = [entry for entry in entries if entry.get("woken_by") == request_id]
    named = {entry["woken_for"] for entry in entries if "woken_for" in entry}
    assert named
    assert named <= {str(row.pk) for row in made}
    assert woken
    assert all(entry["task_id"] for entry in woken)
    text = made.get(channel=Channel.SMS)
    [refused] = [
        e for e in entries if e.get("delivery_id") == str(text.pk) and "code" in e["event"]
    ]
    assert refused["event"].startswith("delivery not accepted: PermanentError")
    assert refused["notification_id"] == str(text.notification_id)

    written = started.output + own_log.getvalue()
    for private in private_words():
        assert not re.search(rf"(?<!\w){re.escape(private)}(?!\w)", written), private


def private_words() -> set[str]:
    """Return the addresses, numbers and names of all people of the demo."""
    people = User.objects.filter(contact__isnull=False)
    words = {word for user in people for word in (user.get_full_name(), user.last_name)}
    words |= {user.first_name for user in people}
    for contact in Contact.objects.all():
        words |= {contact.email, contact.phone, contact.phone.removeprefix("+")}
    return words - {""}
