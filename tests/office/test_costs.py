"""What the office and the command line say about costs."""

import csv
import json
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from apps.core.guards import sms_budget
from apps.core.models import CostTally, SMSSpend
from apps.repairs.models import Company

URL = "/office/costs/"


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("sam", first_name="Sam"))
    return client


@pytest.fixture
def company(db: None) -> Company:
    """Return a company whose managers got 2,000 e-mails and 10 texts this month."""
    company = Company.objects.create(name='=HYPERLINK("x") Freight')
    month = sms_budget.this_month()
    shared = {"day": month, "kind": "repair_approved", "group": f"company:{company.pk}"}
    CostTally.objects.create(channel="email", messages=2000, **shared)
    CostTally.objects.create(
        channel="sms", country="US", messages=10, parts=20, usd=Decimal("0.129"), **shared
    )
    SMSSpend.objects.create(month=month, committed_usd=Decimal("0.129"))
    return company


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("costs", *arguments, stdout=out)
    return out.getvalue()


def test_the_page_names_kinds_companies_and_countries(office, company, settings):
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = Decimal("0.258")
    page = office.get(URL).content.decode()
    for words in (
        "Repair approved",
        "2,000 e-mails · 10 texts of 20 parts",
        "$0.33",
        "50%",
        "Freight",
        "<h3>US</h3>",
    ):
        assert words in page


def test_an_empty_month_says_so(office):
    page = office.get(URL, {"month": "2025-01"}).content.decode()
    assert "No message of January 2025 is counted" in page


@pytest.mark.parametrize("month", ["nonsense", "0001-01", "9999-12"])
def test_there_is_no_page_of_a_month_that_never_was(office, month):
    assert office.get(URL, {"month": month}).status_code == 404


def test_the_page_needs_the_same_queries_for_many_lines(
    office, company, django_assert_max_num_queries
):
    CostTally.objects.bulk_create(
        CostTally(day=date.today(), channel="email", kind=f"kind{n}", group=f"company:{n}")
        for n in range(50)
    )
    with django_assert_max_num_queries(20):
        office.get(URL)


@pytest.mark.parametrize("month", ["0001-01", "9999-12", "2026-13", "x"])
def test_a_month_without_costs_is_not_found(office, month):
    assert office.get(URL, {"month": month}).status_code == 404


def test_only_staff_with_the_right_sees_the_page(client, person):
    client.force_login(person())
    assert client.get(URL).status_code == 403


def test_the_csv_has_the_sums_and_no_formula(office, company):
    answer = office.get(URL, {"format": "csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="costs-' in answer["Content-Disposition"]
    rows = list(csv.DictReader(StringIO(answer.content.decode())))
    by = {row["by"]: row for row in rows}
    assert by["company"]["name"].startswith("'=HYPERLINK")
    assert (by["total"]["emails"], by["total"]["usd"]) == ("2000", "0.32900")
    assert by["country"]["parts"] == "20"


def test_the_command_prints_the_same_as_text_json_and_csv(company):
    printed = run()
    assert "0.33  US dollars together" in printed
    assert "Repair approved: 2,000 e-mails, 10 texts of 20 parts" in printed
    found = json.loads(run("--json"))
    assert found["usd"] == "0.32900"
    assert found["companies"][0]["name"] == company.name
    assert "total" in run("--csv")


def test_the_command_takes_a_month(company):
    assert json.loads(run("--month", "2025-01", "--json"))["kinds"] == []
    assert "no forecast" in run("--month", "2025-01", "--forecast")
    with pytest.raises(CommandError, match="write a month"):
        run("--month", "January")
    with pytest.raises(CommandError, match="to the present one"):
        run("--month", "9999-12")


def test_the_command_has_one_form_at_a_time(company):
    with pytest.raises(CommandError, match="not allowed with"):
        run("--forecast", "--json")
