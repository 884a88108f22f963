"""The specification's example, and what breaks first."""

import json
import re
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.core.costs import capacity
from apps.core.costs.capacity import MEASURED, Mix
from tools.supervisor import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.EMAIL_RATE_LIMIT = settings.SMS_RATE_LIMIT = 14
    settings.SMS_PRICES_USD = {"US": Decimal("0.00645")}


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("capacity", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def test_the_specification_s_example_comes_out():
    """100 technicians and 50 customers with 10 notifications a day each."""
    found = capacity.capacity(1500)
    assert (found.emails_a_month, found.texts_a_month) == (27_000, 13_500)
    assert found.email_usd == Decimal("2.70")
    assert round(found.text_usd, 3) == Decimal("87.075")
    assert found.redis_usd == Decimal("12.96")
    assert int(found.usd) == 102
    printed = run("--per-day", "1500")
    for line in (
        "2.70  US dollars for 27,000 e-mails",
        "87.08  US dollars for 13,500 texts",
        "12.96  US dollars for Redis",
        "102.74  US dollars together",
    ):
        assert line in printed


def test_the_text_budget_of_that_example_is_too_small(settings):
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = Decimal(50)
    [limit] = capacity.capacity(1500).reached
    assert (limit.name, limit.per_day) == ("monthly budget of texts", 861)
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = Decimal(100)
    assert capacity.capacity(1500).reached == []
    assert "Nothing breaks." in run("--per-day", "1500")


def test_the_busiest_hour_is_drained_at_the_rate_limits():
    found = capacity.capacity(1_000_000, Mix(Decimal(1), Decimal(0)))
    assert found.email_drain_s == round(250_000 / (14 * 0.98))
    assert found.text_drain_s == 0
    assert [limit.name for limit in found.reached] == ["rate of e-mail"]


def test_parts_count_for_the_price_and_the_rate():
    one, two = (capacity.capacity(10_000, Mix(parts=parts)) for parts in (1, 2))
    assert two.text_usd == 2 * one.text_usd
    assert two.text_drain_s == pytest.approx(2 * one.text_drain_s, abs=1)


def test_ten_million_a_day_need_six_processes_as_docs_scaling_says():
    found = capacity.capacity(10_000_000, Mix(Decimal(1), Decimal(0)))
    assert (round(found.peak_per_s), found.processes, found.stored_gb_a_day) == (694, 6, 30.0)


def test_the_quota_of_ses_counts_if_it_is_given():
    names = [limit.name for limit in capacity.capacity(1500, ses_quota=200).limits]
    assert names[0] == "daily quota of SES"
    assert "daily quota of SES" not in [limit.name for limit in capacity.capacity(1500).limits]


def test_json_has_the_sums_and_the_first_limit():
    found = json.loads(run("--per-day", "1500", "--json"))
    assert Decimal(found["usd"]) == Decimal("102.735")
    assert found["breaks_first"] == "monthly budget of texts"
    assert found["measured_on"] == str(MEASURED.on)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--per-day", "0"),
        ("--per-day", "10000001"),
        ("--per-day", "9", "--text-share", "2"),
        ("--per-day", "9", "--peak-share", "0"),
        ("--per-day", "9", "--peak-share", "0.04"),
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(CommandError, match="write a"):
        run(*wrong)


def test_seconds_are_not_rounded_to_no_time():
    assert "under 1  minutes to send the hour's e-mails" in run("--per-day", "1500")
    assert " 0  minutes" in run("--per-day", "1500", "--email-share", "0")


def test_the_measured_figures_are_those_of_the_documents():
    scaling = (ROOT / "docs" / "scaling.md").read_text()
    assert f"{MEASURED.on:%Y-%m-%d}" in scaling
    assert f"processes at {MEASURED.per_process_s} a second each" in scaling
    assert re.search(rf"to {MEASURED.cpu_ms} ms", scaling)
    assert re.search(rf"trips to Redis \| {MEASURED.redis_trips} ", scaling)
    assert f"about {MEASURED.stored_kb:g} kB" in scaling
