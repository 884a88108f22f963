"""A full run of the demo in staging, and whom the provider's record says that it reached."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from email.utils import getaddresses
from typing import Any

import pytest

from apps.core import kinds
from apps.core.budget import this_month
from apps.core.models import Delivery, Notification, SMSSpend
from apps.core.states import Channel, DeliveryState, LogEvent
from apps.core.tasks import send_alerts
from apps.repairs import demo, services
from apps.repairs.models import Damage, FleetUnit, Position, Profile, Repair, Role
from sandbox.testing import RunningSandbox, running_sandbox
from tools.supervisor import ROOT

from .services import Worker, database_url, wait_until
from .test_settings import PRODUCTION

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

ADDRESS, NUMBER = "jane@rssystems.example", "+12025550101"
REASON = "not among the recipients that staging may reach"
ESTIMATE = Decimal("95.00")
UNFINISHED = (DeliveryState.DUE, DeliveryState.SENDING, DeliveryState.RETRYING)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def staging(sandbox: RunningSandbox) -> dict[str, str]:
    """The variables of a staging that sends to this test's sandbox."""
    site = {name: PRODUCTION[name] for name in ("SECRET_KEY", "ALLOWED_HOSTS", "SITE_URL")}
    return site | {
        "ENVIRONMENT": "staging",
        "DJANGO_SETTINGS_MODULE": "rs_systems.settings_aws",
        "STAGING_ALLOWED_RECIPIENTS": f"{ADDRESS},{NUMBER}",
        "ADMIN_EMAIL": "admin@stranger.example",
        "SMS_ENABLED": "true",
        "SMS_BACKEND": "apps.core.providers.sns.SNS",
        "SNS_TRUST_SANDBOX": "false",
        "AWS_SES_PORT": str(sandbox.smtp_port),
        "AWS_ENDPOINT_URL_SNS": sandbox.aws_url,
        "DATABASE_URL": database_url(),
    }


def test_a_full_run_of_the_demo_reaches_those_of_the_allow_list_alone(
    worker: Callable[..., Worker],
    staging: dict[str, str],
    sandbox: RunningSandbox,
    settings: Any,
) -> None:
    settings.SMS_ENABLED = True
    demo.seed()
    worker(concurrency=2, **staging)
    live_through_everything()
    wait_until(lambda: not Delivery.objects.filter(state__in=UNFINISHED).exists(), "all is done")

    # Nobody and nothing was left out of the run.
    told = set(Notification.objects.values_list("recipient__username", "kind"))
    assert {kind for _, kind in told} == {kind.name for kind in kinds.every()}
    assert {name for name, _ in told} == {p.username for p in demo.SIGN_INS} - {"sam"}
    assert set(Delivery.objects.values_list("channel", flat=True)) == set(Channel)

    reached_only_the_allow_list(sandbox)
    sent = Delivery.objects.filter(state=DeliveryState.ACCEPTED)
    assert sent.count() == len(sandbox.messages())
    others = Delivery.objects.exclude(pk__in=sent)
    addresses = {name for name, _ in told} - {"jane", "maria"}
    assert addresses <= set(others.values_list("notification__recipient__username", flat=True))
    for row in others:
        # Dave takes no texts anywhere.
        texts_to_dave = (row.channel, row.notification.recipient.username) == ("sms", "dave")
        reason = "has not agreed to text messages" if texts_to_dave else REASON
        assert (row.state, why_not(row)) == (DeliveryState.SKIPPED, reason)


def test_mail_to_the_administrator_passes_the_same_gate(
    worker: Callable[..., Worker], staging: dict[str, str], sandbox: RunningSandbox
) -> None:
    running = worker(**staging)
    SMSSpend.objects.create(month=this_month(), committed_usd=50)
    send_alerts.delay()
    wait_until(
        lambda: f"alert not sent, the next turn tries again: {REASON}" in running.output,
        "the alert is held back",
    )
    write_to_the_administrator(staging)
    assert sandbox.messages() == []
    write_to_the_administrator(staging | {"ADMIN_EMAIL": ADDRESS})
    [mail] = sandbox.messages()
    assert (mail["to"], mail["subject"]) == ([ADDRESS], "[staging] ERROR: something broke")


def test_a_hidden_recipient_keeps_the_whole_message_from_going_out(
    staging: dict[str, str], sandbox: RunningSandbox
) -> None:
    code = (
        "from django.core.mail import EmailMessage\n"
        f"mail = EmailMessage('x', 'x', to=['{ADDRESS}'], bcc=['stranger@stranger.example'])\n"
        "mail.send(fail_silently=True)"
    )
    run(code, staging)
    assert sandbox.messages() == []


def reached_only_the_allow_list(sandbox: RunningSandbox) -> None:
    mails = sandbox.messages(kind="email", full=1)
    texts = sandbox.messages(kind="sms")
    # Those of the envelope, to whom it goes whatever the headers say.
    assert {to for mail in mails for to in mail["to"]} == {ADDRESS}
    assert {text["phone"] for text in texts} == {NUMBER}
    for mail in mails:
        named = [value for name, value in mail["headers"] if name.lower() in ("to", "cc", "bcc")]
        assert [address for _, address in getaddresses(named)] == [ADDRESS]
        assert mail["subject"].startswith("[staging] ")


def live_through_everything() -> None:
    """Each technician has repairs of each fleet, and each event that there is happens to them."""
    technicians = list(Profile.objects.filter(role=Role.TECHNICIAN).order_by("pk"))
    for technician, other in zip(technicians, technicians[1:] + technicians[:1], strict=True):
        for company, username in demo.MANAGERS.items():
            manager = Profile.objects.get(user__username=username)
            unit = FleetUnit.objects.filter(company__name=company)[0]
            approved = request(technician, unit)
            services.approve(approved, by=manager)
            services.start(approved, by=technician)
            services.complete(approved, ESTIMATE, by=technician)
            services.deny(request(technician, unit), "Sold.", by=manager)
            services.assign(request(technician, unit), other, by=office())
        one = services.Break(Damage.CHIP, Position.CENTER, estimate=ESTIMATE)
        batch = services.request_batch(by=technician, unit=unit, breaks=[one, one])
        services.approve_batch(batch, by=manager)


def request(technician: Profile, unit: FleetUnit) -> Repair:
    return services.request_repair(
        by=technician,
        unit=unit,
        damage=Damage.CHIP,
        position=Position.CENTER,
        estimate=ESTIMATE,
    )


def office() -> Profile:
    return Profile.objects.get(user__username=demo.OFFICE)


def why_not(row: Delivery) -> str:
    return row.log.get(event=LogEvent.SKIPPED).detail


def write_to_the_administrator(variables: dict[str, str]) -> None:
    run("import logging; logging.getLogger('django').error('something broke')", variables)


def run(code: str, variables: dict[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        cwd=ROOT,
        env=os.environ | variables,
        check=True,
    )
