"""A month's sums, its forecast, and the price of e-mail."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from apps.core.costs import month, prices
from apps.core.models import CostTally, SMSSpend

pytestmark = pytest.mark.django_db

NOVEMBER = date(2026, 11, 1)


def today(monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    at = datetime(2026, 11, day, 15, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: at)


def add(day: date, emails: int = 0, texts: int = 0, kind: str = "told", usd: str = "0") -> None:
    if emails:
        CostTally.objects.create(day=day, channel="email", kind=kind, messages=emails)
    if texts:
        CostTally.objects.create(
            day=day,
            channel="sms",
            kind=kind,
            country="US",
            messages=texts,
            parts=2 * texts,
            usd=Decimal(usd),
        )


def test_a_month_is_summed_by_kind_the_dearest_first():
    add(date(2026, 10, 31), emails=5000)
    add(date(2026, 11, 1), emails=1000)
    add(date(2026, 11, 30), emails=1000, texts=10, kind="asked", usd="0.129")
    add(date(2026, 12, 1), emails=9000)
    SMSSpend.objects.create(month=NOVEMBER, committed_usd=Decimal("0.15"))
    found = month.costs(NOVEMBER)
    assert [(line.key, line.emails, line.texts, line.usd) for line in found.kinds] == [
        ("asked", 1000, 10, Decimal("0.229")),
        ("told", 1000, 0, Decimal("0.1")),
    ]
    assert (found.emails, found.texts, found.parts) == (2000, 10, 20)
    assert (found.email_usd, found.text_usd, found.usd) == (
        Decimal("0.2"),
        Decimal("0.15"),
        Decimal("0.35"),
    )
    assert found.other_text_usd == Decimal("0.021")
    assert found.last_month_usd == Decimal("0.5")
    assert [line.key for line in found.countries] == ["US"]


def test_sums_are_written_to_the_hundred_thousandth_on_every_database():
    for day in range(1, 4):
        add(date(2026, 11, day), texts=1, usd="0.00665")
    [line] = month.costs(NOVEMBER).kinds
    assert str(line.text_usd) == "0.01995"


def test_the_forecast_continues_the_working_days_until_yesterday(monkeypatch):
    # Monday to Friday, 2 to 6 November; 21 working days in all.
    for day in range(2, 7):
        add(date(2026, 11, day), emails=10_000)
    today(monkeypatch, 9)
    add(date(2026, 11, 9), emails=3000)
    assert month.costs(NOVEMBER).forecast_usd == Decimal(21)


def test_the_forecast_is_never_below_what_is_spent(monkeypatch):
    add(date(2026, 11, 30), emails=100_000)
    today(monkeypatch, 30)
    assert month.costs(NOVEMBER).forecast_usd == Decimal(10)


@pytest.mark.parametrize("day", [1, 2])
def test_there_is_no_forecast_before_a_working_day_is_over(monkeypatch, day):
    today(monkeypatch, day)
    assert month.costs(NOVEMBER).forecast_usd is None


def test_there_is_no_forecast_of_a_month_that_is_over(monkeypatch):
    today(monkeypatch, 9)
    assert month.costs(date(2026, 10, 1)).forecast_usd is None


@pytest.mark.parametrize(
    ("plans", "setting", "usd"),
    [
        ([], None, "0.10"),
        (["NONE"], None, "0.10"),
        (["NONE", "ESSENTIALS"], None, "0.16"),
        (["ESSENTIALS", "NONE"], None, "0.10"),
        (["PRO"], None, "0.10"),
        (["ESSENTIALS"], "0.08", "0.08"),
    ],
)
def test_the_price_of_e_mail_is_the_setting_s_or_the_last_plan_s(plans, setting, usd, settings):
    settings.SES_PRICE_USD_PER_1000 = Decimal(setting) if setting else None
    for plan in plans:
        prices.remember_plan(plan)
    assert prices.emails_usd_per_1000() == Decimal(usd)
