"""What a company spends, by unit and month."""

import csv
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from apps.repairs import services, spend
from apps.repairs.models import FleetUnit, Profile, Repair, RepairEvent, Status
from apps.repairs.undo import undo
from tests.support.repairs import ESTIMATE, FINAL_COST, HIGHER_COST, Cast

Make = Callable[..., Repair]
pytestmark = [pytest.mark.sqlite]


@pytest.fixture(autouse=True)
def in_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 15, 12, tzinfo=UTC))


def approved_in(repair: Repair, month: int, day: int = 10) -> None:
    events = RepairEvent.objects.filter(repair=repair, action="approved")
    assert events.update(at=datetime(2026, month, day, 12, tzinfo=UTC))


def add_unit(cast: Cast, number: str) -> FleetUnit:
    return FleetUnit.objects.create(
        company=cast.redwood, number=number, description="2020 Hino 268A", plate="P 1"
    )


def as_(profile: Profile) -> Client:
    client = Client()
    client.force_login(profile.user)
    return client


def test_it_adds_final_costs_and_open_estimates_by_unit_and_month(cast: Cast, repair: Make) -> None:
    done, going, higher = (
        repair(Status.COMPLETED),
        repair(Status.IN_PROGRESS),
        repair(Status.COST_APPROVAL),
    )
    for made, month in ((done, 9), (going, 11), (higher, 11)):
        approved_in(made, month)
    for status in (Status.REQUESTED, Status.AWAITING_APPROVAL, Status.DENIED):
        repair(status)
    report = spend.report(cast.redwood, 3)
    assert report.months == [date(2026, 11, 1), date(2026, 10, 1), date(2026, 9, 1)]
    [unit] = report.units
    november, october, september = unit.months
    assert (november.repairs, november.open, november.final) == (2, 2 * ESTIMATE, 0)
    assert october.repairs == 0
    assert (september.repairs, september.final, september.open) == (1, FINAL_COST, 0)
    assert unit.total.total == report.total.total == FINAL_COST + 2 * ESTIMATE
    assert report.total.estimates == 3 * ESTIMATE
    assert [each.total for each in report.sums] == [2 * ESTIMATE, Decimal(0), FINAL_COST]


def test_a_granted_higher_cost_counts_in_full(cast: Cast, repair: Make) -> None:
    made = repair(Status.COST_APPROVAL)
    services.approve_cost(made, by=cast.maria)
    report = spend.report(cast.redwood, 1)
    assert (report.total.final, report.total.estimates) == (HIGHER_COST, ESTIMATE)


def test_months_are_those_of_the_readers_time_zone(cast: Cast, repair: Make) -> None:
    made = repair(Status.APPROVED)
    events = RepairEvent.objects.filter(repair=made, action="approved")
    events.update(at=datetime(2026, 11, 1, 2, tzinfo=UTC))
    with timezone.override("America/Chicago"):
        assert [each.repairs for each in spend.report(cast.redwood, 2).sums] == [0, 1]
    with timezone.override("UTC"):
        assert [each.repairs for each in spend.report(cast.redwood, 2).sums] == [1, 0]


def test_a_month_that_begins_meanwhile_is_left_for_the_next_report(
    cast: Cast, repair: Make
) -> None:
    approved_in(repair(Status.APPROVED), 12, day=1)
    assert spend.report(cast.redwood, 6).total.repairs == 0


def test_an_undone_approval_does_not_count(cast: Cast, repair: Make) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    undo(services.approve(made, by=cast.maria), by=cast.maria)
    assert spend.report(cast.redwood, 6).units == []


def test_other_companies_and_older_months_are_left_out(
    cast: Cast, repair: Make, request_repair: Make
) -> None:
    approved_in(repair(Status.APPROVED), 4)
    foreign = request_repair(unit=cast.lakeshore_unit, estimate=ESTIMATE)
    services.approve(foreign, by=cast.helen)
    assert spend.report(cast.redwood, 6).units == []
    assert [unit.number for unit in spend.report(cast.redwood, 12).units] == ["417"]
    assert [unit.number for unit in spend.report(foreign.unit.company, 6).units] == ["D1"]


def test_units_are_in_the_order_of_their_numbers(cast: Cast, request_repair: Make) -> None:
    for number in ("10", "9", "A2"):
        unit = add_unit(cast, number)
        services.approve(request_repair(unit=unit, estimate=ESTIMATE), by=cast.maria)
    numbers = [unit.number for unit in spend.report(cast.redwood, 1).units]
    assert numbers == ["A2", "9", "10"]


def test_the_page_takes_the_same_statements_for_few_units_and_many(
    cast: Cast,
    request_repair: Make,
    django_assert_num_queries: Callable[..., AbstractContextManager[object]],
) -> None:
    client = as_(cast.maria)

    def fill(start: int) -> None:
        for n in range(start, start + 5):
            unit = add_unit(cast, str(n))
            services.approve(request_repair(unit=unit, estimate=ESTIMATE), by=cast.maria)

    fill(1)
    with django_assert_num_queries(8):
        client.get("/spend/")
    fill(11)
    with django_assert_num_queries(8):
        assert client.get("/spend/").content.decode().count('scope="row"') == 11


def test_the_csv_has_a_line_for_each_unit_and_month(cast: Cast, repair: Make) -> None:
    approved_in(repair(Status.COMPLETED), 9)
    approved_in(repair(Status.APPROVED), 11)
    FleetUnit.objects.filter(pk=cast.unit.pk).update(description="=cmd()|' /C calc'!A0")
    answer = as_(cast.maria).get("/spend.csv", {"months_back": "6"})
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store, private"
    heading, *lines = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert heading[0] == "Month"
    unit = ["417", "'=cmd()|' /C calc'!A0", "P 62091"]
    assert lines == [
        ["2026-11", *unit, "1", "412.50", "0.00", "412.50", "412.50"],
        ["2026-09", *unit, "1", "412.50", "398.00", "0.00", "398.00"],
    ]


@pytest.mark.parametrize("name", ["jane", "sam"])
def test_it_is_for_managers_alone(cast: Cast, name: str) -> None:
    for path in ("/spend/", "/spend.csv"):
        assert as_(getattr(cast, name)).get(path).status_code == 404


@pytest.mark.parametrize("months", ["0", "-1", "7", "x", "999999"])
def test_another_span_is_ignored(cast: Cast, repair: Make, months: str) -> None:
    repair(Status.APPROVED)
    shown = as_(cast.maria).get("/spend/", {"months_back": months}).content.decode()
    assert shown.count('scope="col"') == 8


def test_a_company_without_approvals_is_told_so(cast: Cast) -> None:
    assert 'data-testid="no-spend"' in as_(cast.maria).get("/spend/").content.decode()
