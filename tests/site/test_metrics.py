"""/metrics: guarded, readable by Prometheus, and what the dashboard asks for."""

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from apps.core import durations, scrape
from apps.core.audit import heartbeat
from apps.core.costs import tally
from apps.core.delivery import turn, wakeups
from apps.core.delivery.places import Place, Pool
from apps.core.guards import sms_budget
from apps.core.models import CostTally, SMSSpend
from apps.core.states import Channel, DeliveryState, LogEvent, Priority
from tools.supervisor import ROOT

pytestmark = pytest.mark.django_db

TOKEN = "a-token-that-only-prometheus-has"
DASHBOARD = ROOT / "deploy" / "grafana" / "notifications.json"


@pytest.fixture(autouse=True)
def _empty_redis(redis_server):
    durations._counts.clear()


@pytest.fixture
def ask(client, settings):
    """Asks with a token; returns the samples by name and labels."""
    settings.METRICS_TOKEN = TOKEN

    def get() -> dict[tuple[str, ...], float]:
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain")
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.content.decode())
            for sample in family.samples
        }

    return get


def test_without_a_token_in_the_settings_there_is_no_such_page(client, settings):
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize("given", [None, "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer é"])
def test_a_wrong_token_is_refused(client, settings, given):
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers={"Authorization": given} if given else {})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert b"rs_" not in answer.content


def test_it_shows_the_queue_by_priority_and_the_oldest_age(ask, delivery):
    long_ago = timezone.now() - timedelta(seconds=90)
    for _ in range(2):
        delivery(priority=Priority.HIGH, next_attempt_at=long_ago)
    delivery(priority=Priority.HIGH, next_attempt_at=timezone.now() + timedelta(hours=1))
    delivery(Channel.SMS, state=DeliveryState.RETRYING)
    found = ask()
    assert found["rs_queue_depth", "email", "high"] == 2
    assert 90 <= found["rs_queue_oldest_seconds", "email", "high"] < 150
    assert found["rs_queue_depth", "sms", "urgent"] == 0
    assert found["rs_deliveries", "email", "due"] == 3
    assert found["rs_deliveries", "sms", "retrying"] == 1


def test_counts_of_waiting_deliveries_are_bounded(ask, delivery, monkeypatch):
    monkeypatch.setattr(scrape, "MOST", 2)
    for _ in range(3):
        delivery()
    assert ask()["rs_deliveries", "email", "due"] == 2


def test_it_shows_outcomes_acceptances_and_money(ask, delivery):
    row = delivery(state=DeliveryState.ACCEPTED, attempts=1)
    row.log.create(attempt=1, event=LogEvent.ACCEPTED)
    row.log.create(attempt=1, event=LogEvent.TRANSIENT, at=timezone.now() - timedelta(hours=1))
    month = sms_budget.this_month()
    CostTally.objects.create(
        day=month, channel="sms", kind="told", country="US", messages=3, parts=5
    )
    SMSSpend.objects.create(month=month, committed_usd=Decimal("1.5"))
    found = ask()
    assert found["rs_attempts_recent", "email", "accepted"] == 1
    assert found["rs_attempts_recent", "email", "transient"] == 0
    assert found["rs_accepted_total", "sms", "told"] == 3
    assert found["rs_sms_parts_total", "US"] == 5
    assert found["rs_sms_spend_usd",] == 1.5


def test_a_worker_s_turn_adds_its_durations(ask, memory_providers, delivery, redis_server):
    row = delivery(due_at=timezone.now() - timedelta(seconds=3))
    turn.handle(row.pk, Channel.EMAIL, Priority.MEDIUM)
    found = ask()
    assert found["rs_wait_seconds_count", "email"] == 1
    assert found["rs_wait_seconds_bucket", "email", "2.5"] == 0
    assert found["rs_wait_seconds_bucket", "email", "60.0"] == 1
    assert 3 <= found["rs_wait_seconds_sum", "email"] < 60
    assert found["rs_call_seconds_count", "email"] == 1
    assert found["rs_attempt_seconds_count", "email"] == 1


def test_durations_of_several_processes_add_up_to_cumulative_buckets(ask):
    for seconds in (0.02, 0.02, 4.0, 1e6):
        durations.observe("call", Channel.SMS, seconds)
        durations.flush()
    found = ask()
    bounds = [found["rs_call_seconds_bucket", "sms", each] for each in ("0.01", "0.025", "5.0")]
    assert bounds == [0, 2, 3]
    assert found["rs_call_seconds_bucket", "sms", "+Inf"] == 4
    assert found["rs_call_seconds_count", "sms"] == 4
    assert found["rs_call_seconds_sum", "sms"] == pytest.approx(1_000_004.04)


def test_places_and_wake_ups_are_shown(ask, delivery):
    Place(Pool(Channel.EMAIL, False), "a wake-up").hold()
    wakeups.wake([delivery(Channel.SMS, Priority.URGENT)])
    found = ask()
    assert found["rs_places_held", "email", "all"] == 1
    assert found["rs_places_held", "sms", "all"] == 0
    assert found["rs_tasks_waiting", "urgent", "notifications"] == 1
    assert found["rs_redis_up",] == 1


def test_without_redis_the_database_s_figures_are_there(ask, delivery, redis_server):
    delivery()
    durations.observe("call", Channel.EMAIL, 1.0)
    redis_server.stop()
    durations.flush()
    found = ask()
    assert (found["rs_redis_up",], found["rs_deliveries", "email", "due"]) == (0, 1)
    assert not [name for name, *_ in found if name.startswith("rs_places")]


def test_the_number_of_queries_does_not_depend_on_the_rows(
    ask, delivery, django_assert_num_queries
):
    with django_assert_num_queries(32):
        ask()
    for _ in range(5):
        delivery()
    with django_assert_num_queries(32):
        ask()


def test_the_dashboard_is_one_that_grafana_loads():
    board = json.loads(DASHBOARD.read_text())
    assert board["schemaVersion"] >= 36
    assert {"uid", "title", "panels", "templating", "time"} <= board.keys()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["targets"]
        assert all(target["expr"] for target in panel["targets"])


def test_the_dashboard_and_the_documentation_name_metrics_that_exist(ask, delivery):
    CostTally.objects.create(
        day=sms_budget.this_month(), channel="sms", kind="told", country="US", messages=1, parts=1
    )
    for name in ("call", "attempt", "wait"):
        durations.observe(name, Channel.EMAIL, 1.0)
    durations.flush()
    heartbeat.stamp()
    tally.count()
    names = {name for name, *_ in ask()}
    asked = set(re.findall(r"\brs_\w+", DASHBOARD.read_text()))
    assert asked <= names
    documented = set(re.findall(r"`(rs_\w+)", (ROOT / "docs" / "metrics.md").read_text()))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert documented == families
