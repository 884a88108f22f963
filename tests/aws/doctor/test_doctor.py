"""The doctor on a healthy system, and with one fault at a time: real boto3 clients, real Redis."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import redis
from django.db import connection
from django.utils import timezone

from apps.aws.account import Account, Denied
from apps.aws.doctor import (
    configuration,
    database,
    email,
    events,
    examination,
    redis_server,
    workers,
)
from apps.core.audit import metrics
from apps.core.audit.findings import Status
from apps.core.exceptions import ChannelUnavailableError
from apps.core.guards import circuit_breaker
from apps.core.guards.sms_budget import this_month
from apps.core.models import (
    ChannelStop,
    Contact,
    Delivery,
    Mark,
    ProviderEvent,
    SMSSpend,
    Suppression,
)
from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel, DeliveryState, EventKind, LogEvent
from sandbox.account.settings import EVERY_OUTCOME
from sandbox.arns import TOPIC as ARN
from sandbox.testing import RunningSandbox
from tests.support.doctor import Lines
from tests.support.services import Worker, wait_until
from tools.endpoints import endpoints
from tools.processes import (
    LOOPBACK,
    die_with_parent,
    free_ports,
    redis_answers,
    redis_command,
)

Examine = Callable[[], Lines]
#: Their words are never twice the same.
CHANGING = {"workers.beat", "workers.metrics", "workers.clocks", "redis.memory"}
SMS = {
    "MonthlySpendLimit": "50",
    "DefaultSMSType": "Transactional",
    "DeliveryStatusIAMRole": "arn:aws:iam::000000000000:role/sms",
    "DeliveryStatusSuccessSamplingRate": "100",
}


def without_role() -> dict[str, str]:
    return {name: value for name, value in SMS.items() if name != "DeliveryStatusIAMRole"}


def differences(before: Lines, after: Lines) -> set[str]:
    """Return the ids of the lines that differ from those before."""
    return {
        name
        for name, line in after.items()
        if line.finding.status != before[name].finding.status
        or (name not in CHANGING and line.finding.found != before[name].finding.found)
    }


def only(name: str, status: Status, words: str, before: Lines, after: Lines) -> None:
    assert differences(before, after) == {name}
    finding = after[name].finding
    assert finding.status == status, finding
    assert words in finding.found
    assert finding.do


def complaints(lines: Lines) -> dict[str, examination.Examined]:
    return {name: line for name, line in lines.items() if line.finding.status != Status.OK}


def test_a_system_that_is_well_has_nothing_to_be_said_about(
    healthy: RunningSandbox, examine: Examine
) -> None:
    assert complaints(examine()) == {}


@pytest.mark.services
def test_workers_are_counted_and_none_is_a_failure(
    healthy: RunningSandbox, worker: Callable[..., Worker]
) -> None:
    running = worker()
    # Within a second, which a busy one need not manage at once.
    wait_until(lambda: workers.online(Account()).found == "1 worker answers", "it answers")
    running.kill()
    assert workers.online(Account()).status == Status.FAIL


FAULTS: list[tuple[dict[str, Any], str, Status, str]] = [
    ({"access_key_age_days": 91}, "credentials.key_age", Status.WARN, "key of 91 days"),
    ({"smtp_key_age_days": 91}, "credentials.smtp_key_age", Status.WARN, "key of 91 days"),
    ({"identity_verified": False}, "email.identity", Status.FAIL, "is not verified yet"),
    ({"dkim_status": "PENDING"}, "email.dkim", Status.FAIL, "not signed: PENDING"),
    ({"dkim_status": "TEMPORARY_FAILURE"}, "email.dkim", Status.WARN, "TEMPORARY_FAILURE"),
    ({"mail_from_domain": ""}, "email.mail_from", Status.WARN, "no MAIL FROM domain"),
    ({"mail_from_status": "FAILED"}, "email.mail_from", Status.WARN, "is FAILED"),
    ({"production_access": False}, "email.production_access", Status.WARN, "SES's sandbox"),
    ({"sending_enabled": False}, "email.sending", Status.FAIL, "sending is paused"),
    ({"enforcement_status": "PROBATION"}, "email.enforcement", Status.WARN, "under review"),
    ({"enforcement_status": "SHUTDOWN"}, "email.enforcement", Status.FAIL, "SHUTDOWN"),
    ({"sent_last_24_hours": 45_000}, "email.quota", Status.WARN, "45,000 of 50,000"),
    ({"sent_last_24_hours": 50_000}, "email.quota", Status.FAIL, "50,000 of 50,000"),
    ({"max_24_hour_send": -1}, "email.quota", Status.OK, "without a limit"),
    ({"max_send_rate": 1}, "email.rate", Status.FAIL, "14 a second, and SES grants 1"),
    ({"suppressed": ["a@b.example"]}, "email.suppression", Status.WARN, "1 that we still write"),
    ({"configuration_set_sending": False}, "events.configuration_set", Status.FAIL, "paused"),
    ({"event_destination": False}, "events.destination", Status.FAIL, "no event destination"),
    ({"event_destination_topic": f"{ARN}-other"}, "events.destination", Status.FAIL, "-other"),
    (
        {"event_types": [each for each in EVERY_OUTCOME if each != "BOUNCE"]},
        "events.destination",
        Status.FAIL,
        "not published: BOUNCE",
    ),
    ({"signature_version": "1"}, "events.topic", Status.WARN, "SHA-1"),
    ({"subscription_confirmed": False}, "events.subscription", Status.FAIL, "not confirmed"),
    ({"subscription_raw": True}, "events.subscription", Status.FAIL, "without a signature"),
    (
        {"subscription_endpoint": "https://other.example/"},
        "events.subscription",
        Status.FAIL,
        "subscribed to neither by http://localhost:8000/webhooks/aws/sns",
    ),
    ({"sms_in_sandbox": True}, "sms.production_access", Status.WARN, "SMS sandbox"),
    (
        {"sms_attributes": SMS | {"MonthlySpendLimit": "1"}},
        "sms.spend_limit",
        Status.FAIL,
        "MonthlySpendLimit is 1.00 USD",
    ),
    (
        {"sms_attributes": SMS | {"MonthlySpendLimit": "500"}},
        "sms.spend_limit",
        Status.WARN,
        "MonthlySpendLimit is 500.00 USD",
    ),
    (
        {"sms_attributes": SMS | {"DefaultSMSType": "Promotional"}},
        "sms.message_type",
        Status.WARN,
        "DefaultSMSType is Promotional",
    ),
    ({"sms_attributes": without_role()}, "sms.delivery_log", Status.WARN, "logging is off"),
    (
        {"sms_attributes": SMS | {"DeliveryStatusSuccessSamplingRate": "10"}},
        "sms.delivery_log",
        Status.WARN,
        "10 % of the successes",
    ),
]


@pytest.mark.parametrize(("planted", "name", "status", "words"), FAULTS)
def test_a_fault_of_the_account_changes_the_finding_of_its_check_alone(
    healthy: RunningSandbox,
    examine: Examine,
    planted: dict[str, Any],
    name: str,
    status: Status,
    words: str,
) -> None:
    before = examine()
    healthy.account(**planted)
    after = examine()
    assert differences(before, after) == {name}
    assert after[name].finding.status == status
    assert words in after[name].finding.found
    assert after[name].finding.do or status == Status.OK


DENIALS = {
    "ses:GetAccount": {
        "email.production_access",
        "email.sending",
        "email.enforcement",
        "email.quota",
        "email.rate",
    },
    "ses:GetEmailIdentity": {"email.identity", "email.dkim", "email.mail_from"},
    "ses:GetConfigurationSet": {"events.configuration_set"},
    "ses:GetConfigurationSetEventDestinations": {"events.destination"},
    "ses:ListSuppressedDestinations": {"email.suppression"},
    "sns:GetTopicAttributes": {"events.topic"},
    "sns:ListSubscriptionsByTopic": {"events.subscription"},
    "sns:GetSubscriptionAttributes": {"events.subscription"},
    "sns:GetSMSAttributes": {"sms.spend_limit", "sms.message_type", "sms.delivery_log"},
    "sns:GetSMSSandboxAccountStatus": {"sms.production_access"},
    "sts:GetCallerIdentity": {"credentials.caller"},
    "iam:GetAccessKeyLastUsed": {"credentials.smtp_key_age"},
    "iam:ListAccessKeys": {"credentials.key_age", "credentials.smtp_key_age"},
}


@pytest.mark.parametrize("action", DENIALS)
def test_a_denied_call_is_a_finding_that_names_the_missing_right(
    healthy: RunningSandbox, examine: Examine, action: str
) -> None:
    before = examine()
    healthy.account(denied=[action])
    after = examine()
    assert differences(before, after) == DENIALS[action]
    for name in DENIALS[action]:
        assert after[name].finding.status == Status.WARN
        assert after[name].finding.found == f"not allowed to look: needs {action}"


def test_a_caller_without_rights_gets_warnings_and_no_failure(
    healthy: RunningSandbox, examine: Examine
) -> None:
    healthy.account(denied=list(DENIALS))
    statuses = {line.finding.status for line in examine().values()}
    assert statuses == {Status.OK, Status.WARN}


def test_without_a_network_each_check_that_needs_it_says_so(
    healthy: RunningSandbox, examine: Examine, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    before = examine()
    for name, url in endpoints("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, url)
    settings.EMAIL_PORT = 9
    after = examine()
    asking = {name for names in DENIALS.values() for name in names}
    asking |= {"email.smtp", "sms.log_group", "sms.opted_out"}
    assert differences(before, after) == asking
    for name in asking - {"email.smtp"}:
        assert after[name].finding.status == Status.FAIL
        assert "could not be reached: EndpointConnectionError" in after[name].finding.found
    assert "127.0.0.1:9 cannot be used" in after["email.smtp"].finding.found


def test_wrong_credentials_are_told_apart_from_missing_rights(
    healthy: RunningSandbox, examine: Examine
) -> None:
    healthy.rule(channel="sms", answer="credentials")
    finding = examine()["sms.opted_out"].finding
    healthy.clear_rules()
    assert finding.status == Status.FAIL
    assert "AWS takes no credentials from here: InvalidClientTokenId" in finding.found


def test_a_machine_without_credentials_is_told_where_to_put_them(
    healthy: RunningSandbox, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    finding = examine()["credentials.caller"].finding
    assert finding.status == Status.FAIL
    assert "Unable to locate credentials" in finding.found
    assert "AWS_ACCESS_KEY_ID" in finding.do


def test_each_question_is_asked_once_however_many_checks_need_it(
    healthy: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        asked.append(f"{model.name} {params}")

    original = botocore.session.Session.create_client

    def create_client(self: Any, *args: Any, **kwargs: Any) -> Any:
        client = original(self, *args, **kwargs)
        client.meta.events.register("before-parameter-build", note)
        return client

    monkeypatch.setattr(botocore.session.Session, "create_client", create_client)
    examination.examine()
    assert asked.count("GetAccount {}") == 1
    assert len(asked) == len(set(asked))


def test_a_password_that_ses_refuses_is_told_and_not_repeated(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    before = examine()
    settings.EMAIL_HOST_PASSWORD = "not-the-password"
    after = examine()
    only("email.smtp", Status.FAIL, "535", before, after)
    assert "not-the-password" not in after["email.smtp"].finding.found
    assert "aws smtp-credentials" in after["email.smtp"].finding.do


def test_an_smtp_user_that_is_no_access_key_id_is_told(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.EMAIL_HOST_USER = "ses-smtp-user"
    finding = examine()["credentials.smtp_key_age"].finding
    assert finding.status == Status.WARN
    assert "AWS_SES_SMTP_USER is no access key id" in finding.found


@pytest.fixture
def by_the_api(healthy: RunningSandbox, settings: Any) -> RunningSandbox:
    settings.EMAIL_TRANSPORT = "ses-api"
    settings.EMAIL_BACKEND = settings.SES_BACKEND = settings.EMAIL_TRANSPORTS["ses-api"]
    settings.EMAIL_PORT = 9
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    return healthy


def test_by_the_api_the_smtp_endpoint_is_not_checked(
    by_the_api: RunningSandbox, examine: Examine
) -> None:
    by_the_api.account(smtp_key_age_days=1000)
    lines = examine()
    assert complaints(lines) == {}
    found = lines["email.smtp"].finding.found
    assert "SES answers our credentials by its API" in found
    assert "ses:SendRawEmail, shows when `manage.py test_ses` sends" in found
    assert by_the_api.messages() == []


def test_by_the_api_a_missing_right_leaves_the_answer_unknown(
    by_the_api: RunningSandbox, examine: Examine
) -> None:
    by_the_api.account(denied=["ses:GetAccount"])
    finding = examine()["email.smtp"].finding
    assert finding.status == Status.WARN
    assert finding.found == "not allowed to look: needs ses:GetAccount"


def test_by_the_api_a_machine_without_credentials_cannot_send(
    by_the_api: RunningSandbox, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    finding = examine()["email.smtp"].finding
    assert finding.status == Status.FAIL
    assert "Unable to locate credentials" in finding.found


def test_what_is_left_of_the_other_way_to_ses_contradicts_nothing(
    by_the_api: RunningSandbox, settings: Any
) -> None:
    settings.EMAIL_HOST = "email-smtp.eu-west-1.amazonaws.com"
    assert configuration.contradictions(Account()).status == Status.OK


def test_another_backend_than_that_of_the_transport_is_named(
    by_the_api: RunningSandbox, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    finding = configuration.checks(Account())
    assert finding.status == Status.FAIL
    assert "EMAIL_TRANSPORT is ses-api, and EMAIL_BACKEND is django.core" in finding.found


def test_a_domain_that_ses_does_not_know_is_told(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "Someone@Other.example"
    finding = examine()["email.identity"].finding
    assert finding.status == Status.FAIL
    assert "neither other.example nor the sender's address is an identity" in finding.found


@pytest.mark.parametrize("sender", ["notes@fleet.rssystems.com", "notes@a.b.rssystems.com"])
def test_a_subdomain_sends_by_its_parent_s_verified_identity(
    healthy: RunningSandbox, examine: Examine, settings: Any, sender: str
) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    lines = examine()
    assert complaints(lines) == {}
    found = lines["email.identity"].finding.found
    assert found.endswith("sends by the identity of rssystems.com, which is verified")


def test_a_denied_question_about_the_subdomain_does_not_hide_its_parent(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEFAULT_FROM_EMAIL = "notes@fleet.rssystems.com"

    def ask(*_: Any, **asked: str) -> dict[str, Any]:
        if asked["EmailIdentity"] != "rssystems.com":
            raise Denied("ses:GetEmailIdentity")
        return {"VerifiedForSendingStatus": True}

    monkeypatch.setattr(Account, "ask", ask)
    assert email.identity(Account()).status == Status.OK


def test_an_international_sender_is_asked_for_as_ses_knows_it(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Glas <Meldung@Müller-Glas.example>"
    assert email.domain() == "xn--mller-glas-9db.example"
    assert email.sender() == "Meldung@xn--mller-glas-9db.example"


def test_messages_signed_with_a_key_of_our_own_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    signing = {"SigningEnabled": True, "SigningAttributesOrigin": "EXTERNAL", "Status": "SUCCESS"}
    identity = {"VerifiedForSendingStatus": True, "DkimAttributes": signing}
    monkeypatch.setattr(Account, "ask", lambda *_, **__: identity)
    assert email.dkim(Account()).found == "messages are signed with our own key"
    signing["Status"] = "PENDING"
    assert "the TXT record of DKIM" in email.dkim(Account()).do


@pytest.mark.parametrize("sender", ["solo@other.example", "RS Systems <solo@other.example>"])
def test_an_address_alone_that_is_verified_is_not_enough(
    healthy: RunningSandbox, examine: Examine, settings: Any, sender: str
) -> None:
    healthy.account(identity="solo@other.example")
    settings.DEFAULT_FROM_EMAIL = sender
    assert examine()["email.identity"].finding.status == Status.WARN


def test_a_configuration_set_that_does_not_exist_fails(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.AWS_SES_CONFIGURATION_SET = "gone"
    finding = examine()["events.configuration_set"].finding
    assert (finding.status, "SES refuses every e-mail" in finding.found) == (Status.FAIL, True)


def test_two_destinations_of_one_topic_publish_what_both_have(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [arn] = settings.AWS_EVENT_TOPIC_ARNS
    destinations = [
        {"Enabled": True, "SnsDestination": {"TopicArn": arn}, "MatchingEventTypes": types}
        for types in (EVERY_OUTCOME[:3], EVERY_OUTCOME[3:])
    ]
    monkeypatch.setattr(Account, "ask", lambda *_, **__: {"EventDestinations": destinations})
    assert events.destination(Account()).status == Status.OK


def test_without_topic_or_configuration_set_the_lines_say_what_that_costs(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.AWS_SES_CONFIGURATION_SET = ""
    settings.AWS_EVENT_TOPIC_ARNS = []
    after = examine()
    for name in ("configuration_set", "destination", "topic", "subscription"):
        assert after[f"events.{name}"].finding.status == Status.WARN


def test_with_texts_switched_off_sns_is_not_asked(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    healthy.account(sms_in_sandbox=True)
    settings.SMS_ENABLED = False
    after = examine()
    assert after["sms.enabled"].finding.status == Status.WARN
    assert after["sms.production_access"].finding.found == "text messages are switched off"


def test_an_account_in_the_sandboxes_fails_in_production(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    healthy.account(production_access=False, sms_in_sandbox=True)
    settings.ENVIRONMENT = "production"
    after = examine()
    assert after["email.production_access"].finding.status == Status.FAIL
    assert after["sms.production_access"].finding.status == Status.FAIL
    assert after["redis.tls"].finding.status == Status.WARN


@pytest.mark.sqlite
def test_a_database_of_one_host_fails_outside_development(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.ENVIRONMENT = "staging"
    expected = Status.FAIL if connection.vendor == "sqlite" else Status.OK
    assert examine()["database.engine"].finding.status == expected


@pytest.mark.parametrize(
    ("host", "options", "status"),
    [
        ("db.example", {}, Status.WARN),
        ("db.example", {"sslmode": "prefer"}, Status.WARN),
        ("db.example", {"sslmode": "require"}, Status.OK),
        ("db.example", {"sslmode": "verify-full"}, Status.OK),
        ("localhost", {}, Status.OK),
        ("/var/run/postgresql", {}, Status.OK),
    ],
)
def test_a_remote_database_without_required_tls_is_a_warning_in_production(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    options: dict[str, str],
    status: Status,
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    monkeypatch.setattr(connection, "vendor", "postgresql")
    monkeypatch.setitem(connection.settings_dict, "HOST", host)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    assert database.tls(Account()).status == Status.OK
    settings.ENVIRONMENT = "production"
    assert database.tls(Account()).status == status


def test_a_redis_that_is_a_replica_fails(
    healthy: RunningSandbox, examine: Examine, redis_url: str
) -> None:
    server = redis.Redis.from_url(redis_url)
    before = examine()
    [closed] = free_ports(1)
    server.replicaof(LOOPBACK, closed)
    try:
        only("redis.writable", Status.FAIL, "it is a replica", before, examine())
    finally:
        server.replicaof("NO", "ONE")


def test_a_redis_that_refuses_writes_fails(
    healthy: RunningSandbox, examine: Examine, redis_url: str
) -> None:
    server = redis.Redis.from_url(redis_url)
    before = examine()
    server.config_set("min-replicas-to-write", 1)
    try:
        only("redis.writable", Status.FAIL, "it refuses a write", before, examine())
    finally:
        server.config_set("min-replicas-to-write", 0)


@pytest.mark.services
def test_a_redis_in_cluster_mode_fails(settings: Any, tmp_path: Path) -> None:
    [port] = free_ports(1)
    # Its bus listens at the port plus 10,000.
    options = ["--cluster-enabled", "yes"]
    process = subprocess.Popen(
        [*redis_command(port, tmp_path), *options],
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        wait_until(lambda: redis_answers(port), "the Redis in cluster mode answers")
        settings.CELERY_BROKER_URL = f"redis://{LOOPBACK}:{port}/0"
        assert redis_server.reachable(Account()).status == Status.OK
        finding = redis_server.writable(Account())
        assert finding.status == Status.FAIL
        assert "cluster mode" in finding.found
    finally:
        process.kill()
        process.wait()


def test_the_trial_write_leaves_nothing_in_redis(healthy: RunningSandbox, redis_url: str) -> None:
    server = redis.Redis.from_url(redis_url)
    before = set(server.keys())
    assert redis_server.writable(Account()).status == Status.OK
    assert set(server.keys()) == before


def test_a_database_that_only_reads_fails(healthy: RunningSandbox, examine: Examine) -> None:
    reads_only, writes_again = {
        "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
        "postgresql": ("SET transaction_read_only = on", "SELECT 1"),
    }[connection.vendor]
    marks = Mark.objects.count()
    assert examine()["database.writable"].finding.status == Status.OK
    with connection.cursor() as cursor:
        cursor.execute(reads_only)
        try:
            lines = examine()
        finally:
            cursor.execute(writes_again)
    finding = lines["database.writable"].finding
    assert (finding.status, "refuses a write" in finding.found) == (Status.FAIL, True)
    assert lines["database.reachable"].finding.status == Status.OK
    assert Mark.objects.count() == marks


def test_a_redis_without_a_password_is_told_outside_development(settings: Any) -> None:
    settings.CELERY_BROKER_URL = "rediss://redis.example:6379/0"
    assert redis_server.password(Account()).status == Status.OK
    settings.ENVIRONMENT = "production"
    assert redis_server.password(Account()).status == Status.WARN
    settings.CELERY_BROKER_URL = "rediss://:secret@redis.example:6379/0"
    finding = redis_server.password(Account())
    assert (finding.status, "secret" in finding.found) == (Status.OK, False)


def test_an_evicting_redis_fails(healthy: RunningSandbox, examine: Examine, redis_url: str) -> None:
    server = redis.Redis.from_url(redis_url)
    before = examine()
    server.config_set("maxmemory-policy", "allkeys-lru")
    after = examine()
    server.config_set("maxmemory-policy", "noeviction")
    only("redis.eviction", Status.FAIL, "drops tasks in silence", before, after)


def test_a_full_redis_is_told_before_it_refuses(
    healthy: RunningSandbox, examine: Examine, redis_url: str
) -> None:
    server = redis.Redis.from_url(redis_url)
    used = server.info("memory")["used_memory"]
    server.config_set("maxmemory", int(used * 1.1))
    finding = examine()["redis.memory"].finding
    server.config_set("maxmemory", 0)
    assert finding.status == Status.WARN


def test_a_redis_that_is_away_fails_its_lines_and_leaves_the_others(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.CELERY_BROKER_URL = "redis://user:hidden@127.0.0.1:9/0"
    after = examine()
    assert "127.0.0.1:9 does not answer: Error 111" in after["redis.reachable"].finding.found
    assert "See redis.reachable" in after["redis.eviction"].finding.do
    assert after["email.identity"].finding.status == Status.OK
    assert not any("hidden" in line.finding.found for line in after.values())


def test_a_sweep_that_no_longer_runs_fails(
    healthy: RunningSandbox, examine: Examine, age_the_heartbeat: Callable[[timedelta], None]
) -> None:
    before = examine()
    age_the_heartbeat(timedelta(minutes=3))
    only("workers.beat", Status.FAIL, "ran 18", before, examine())


def test_metrics_that_do_not_reach_cloudwatch_any_more_are_told(
    healthy: RunningSandbox, examine: Examine
) -> None:
    before = examine()
    Mark.objects.filter(name=metrics.PUBLISHED).update(at=timezone.now() - timedelta(minutes=4))
    only("workers.metrics", Status.WARN, "last took our metrics 24", before, examine())


def test_metrics_that_never_reached_cloudwatch_warn_outside_development(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    Mark.objects.all().delete()
    assert examine()["workers.metrics"].finding.status == Status.OK
    settings.ENVIRONMENT = "production"
    finding = examine()["workers.metrics"].finding
    assert finding.status == Status.WARN
    assert "cloudwatch:PutMetricData" in finding.do


def test_metrics_that_are_switched_off_are_right_in_development_alone(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.CLOUDWATCH_METRICS = False
    assert examine()["workers.metrics"].finding.status == Status.OK
    settings.ENVIRONMENT = "production"
    assert examine()["workers.metrics"].finding.status == Status.WARN


def test_without_the_nightly_reading_the_doctor_says_how_to_have_it(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.AWS_SES_SUPPRESSION_LIST = False
    healthy.account(suppressed=["a@b.example"])
    assert "AWS_SES_SUPPRESSION_LIST=true" in examine()["email.suppression"].finding.do


def test_a_stopped_channel_fails_with_the_provider_s_words(
    healthy: RunningSandbox, examine: Examine
) -> None:
    before = examine()
    circuit_breaker.stop(Channel.EMAIL, ChannelUnavailableError("Sending paused", code="554"))
    only("workers.channels", Status.FAIL, "Sending paused", before, examine())


def test_an_overdue_delivery_is_a_warning(
    healthy: RunningSandbox, examine: Examine, delivery: Callable[..., Delivery]
) -> None:
    before = examine()
    delivery(next_attempt_at=timezone.now() - timedelta(minutes=6))
    only("workers.overdue", Status.WARN, "1 deliveries have been due", before, examine())
    ChannelStop.objects.create(channel=Channel.EMAIL, cause=StopCause.REPUTATION, reason="x")
    assert workers.overdue(Account()).status == Status.OK, "it waits on purpose"


def accepted(row: Delivery, ago: timedelta) -> None:
    Delivery.objects.filter(pk=row.pk).update(state=DeliveryState.ACCEPTED)
    at = timezone.now() - ago
    row.log.create(attempt=1, event=LogEvent.ACCEPTED, provider="ses-smtp", at=at)


def test_an_email_without_any_event_since_fails(
    healthy: RunningSandbox, examine: Examine, delivery: Callable[..., Delivery]
) -> None:
    before = examine()
    accepted(delivery(), timedelta(minutes=11))
    after = examine()
    only("events.last", Status.FAIL, "no event has come since", before, after)
    ProviderEvent.objects.create(
        fingerprint="f", kind=EventKind.SENT, provider="ses", occurred_at=timezone.now()
    )
    assert examine()["events.last"].finding.status == Status.OK


def test_an_email_of_a_moment_ago_is_given_time(
    healthy: RunningSandbox, examine: Examine, delivery: Callable[..., Delivery]
) -> None:
    accepted(delivery(), timedelta(minutes=1))
    assert examine()["events.last"].finding.status == Status.OK


def test_the_month_s_budget_is_told_when_it_runs_out(
    healthy: RunningSandbox, examine: Examine
) -> None:
    before = examine()
    row = SMSSpend.objects.create(month=this_month(), committed_usd=41)
    only("sms.budget", Status.WARN, "41.00 of 50.00 USD", before, examine())
    row.refused_at = timezone.now()
    row.save()
    assert "a text was refused" in examine()["sms.budget"].finding.found


def test_an_address_that_both_leave_alone_is_no_matter(
    healthy: RunningSandbox, examine: Examine
) -> None:
    healthy.account(suppressed=["Gone@Customer.example"])
    Suppression.objects.create(
        channel=Channel.EMAIL, address="gone@customer.example", reason="bounce"
    )
    finding = examine()["email.suppression"].finding
    assert (finding.status, finding.found) == (Status.OK, "1 on SES's list, 1 on ours")


def test_one_of_our_people_who_opted_out_at_sns_is_counted_and_not_named(
    healthy: RunningSandbox, examine: Examine, person: Callable[..., Any]
) -> None:
    number = person().contact.phone
    healthy.opt_out(number)
    finding = examine()["sms.opted_out"].finding
    healthy.opt_in(number)
    assert (finding.status, number in finding.found) == (Status.WARN, False)
    assert Contact.objects.filter(phone=number).exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"EMAIL_HOST": "email-smtp.eu-west-1.amazonaws.com"},
            "AWS_SES_HOST is in eu-west-1, AWS_SES_REGION is us-east-1",
        ),
        ({"EMAIL_HOST": "email-smtp.us-east-1.amazonaws.com"}, "perhaps the IAM secret key"),
        ({"AWS_SES_CONFIGURATION_SET": ""}, "AWS_SES_CONFIGURATION_SET is not"),
        ({"AWS_SES_REGION_NAME": "eu-west-1"}, "is not in AWS_SES_REGION, eu-west-1"),
        ({"AWS_SNS_REGION_NAME": "eu-west-1"}, "is not in AWS_SNS_REGION, eu-west-1"),
        (
            {"ENVIRONMENT": "production", "SMS_BACKEND": "apps.core.providers.console.SMSConsole"},
            "SMS_ENABLED is true, and SMS_BACKEND is",
        ),
        (
            {"AWS_EVENT_TOPIC_ARNS": [], "AWS_SES_EVENT_QUEUE_URL": "https://sqs.example/1/q"},
            "has no topic to trust",
        ),
    ],
)
def test_settings_that_contradict_one_another_are_told(
    settings: Any, changes: dict[str, Any], words: str
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    finding = configuration.contradictions(Account())
    assert finding.status == Status.FAIL
    assert words in finding.found


def test_texts_in_a_region_of_their_own_are_told(settings: Any) -> None:
    settings.AWS_SNS_REGION_NAME = "us-west-2"
    settings.SMS_DELIVERY_LOG_GROUP = ""
    finding = configuration.contradictions(Account())
    assert finding.status == Status.WARN
    assert "AWS_SNS_REGION is us-west-2, AWS_SES_REGION is us-east-1" in finding.found
    settings.SMS_ENABLED = False
    assert configuration.contradictions(Account()).status == Status.OK


def test_django_s_own_checks_are_among_the_lines(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    before = examine()
    settings.UNKNOWN_RESEND = ["email:soon"]
    only("settings.checks", Status.FAIL, "notifications.E006", before, examine())


def test_a_check_that_fails_itself_is_one_line_and_the_others_go_on(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    before = examine()
    settings.EMAIL_RATE_LIMIT = None
    after = examine()
    assert differences(before, after) == {"email.rate"}
    assert "the check itself failed: TypeError" in after["email.rate"].finding.found


def test_what_aws_says_in_several_lines_is_told_in_one(
    healthy: RunningSandbox, examine: Examine, settings: Any
) -> None:
    settings.AWS_SES_CONFIGURATION_SET = 5
    finding = examine()["events.configuration_set"].finding
    assert finding.status == Status.FAIL
    assert "Parameter validation failed" in finding.found
    assert "\n" not in finding.found


def test_looking_changes_nothing(
    healthy: RunningSandbox, examine: Examine, delivery: Callable[..., Delivery]
) -> None:
    delivery()
    account = healthy._get("/api/account")
    rows = [list(model.objects.values()) for model in (Delivery, Contact, Suppression)]
    examine()
    assert healthy._get("/api/account") == account
    assert [list(m.objects.values()) for m in (Delivery, Contact, Suppression)] == rows
    assert healthy.messages() == []
