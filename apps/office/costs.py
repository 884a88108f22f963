"""A month's costs in the office's words: kinds and companies by name, as a table and as CSV."""

import csv
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, TextIO

from django.utils import timezone

from apps.core.costs.month import CostLine, Costs, costs, previous
from apps.core.guards import sms_budget
from apps.core.message import kinds
from apps.site import directory
from apps.site.spreadsheets import harmless

#: The messages of people who are of no company.
OUR_OWN = "Technicians and the office"
UNKNOWN_COUNTRY = "Unknown"
#: Months that the page offers.
SHOWN = 12


def parse_month(text: str) -> date:
    """Return the first day of a month written as 2026-11; raise ValueError if it has no costs."""
    month = datetime.strptime(text, "%Y-%m").date()
    if not date(2000, 1, 1) <= month <= sms_budget.this_month():
        raise ValueError(f"{text} is no month that has costs")
    return month


def months() -> list[date]:
    """Return the present month and those before it, the newest first."""
    found = [sms_budget.this_month()]
    while len(found) < SHOWN:
        found.append(previous(found[-1]))
    return found


def named(month: date) -> Costs:
    """Return the month's costs, with names in place of keys."""
    found = costs(month)
    labels = {kind.name: kind.label for kind in kinds.REGISTRY.values()}
    companies = {each.key: each.label for each in directory.get().groups()}
    _name(found.kinds, labels)
    _name(found.groups, companies | {"": OUR_OWN})
    _name(found.countries, {"": UNKNOWN_COUNTRY})
    return found


def _name(lines: list[CostLine], names: Mapping[str, str]) -> None:
    for line in lines:
        line.key = names.get(line.key, line.key)


def as_dict(found: Costs) -> dict[str, Any]:
    """Return JSON values: amounts in US dollars as text."""
    return {
        "month": f"{found.month:%Y-%m}",
        "counted_until": found.until,
        "usd": found.usd,
        "email_usd": found.email_usd,
        "text_usd": found.text_usd,
        "text_limit_usd": found.limit_usd,
        "last_month_usd": found.last_month_usd,
        "forecast_usd": found.forecast_usd,
        "email_price_usd_per_1000": found.email_price_per_1000,
        "kinds": [_line(line) for line in found.kinds],
        "companies": [_line(line) for line in found.groups],
        "countries": [_line(line) for line in found.countries],
        "other_text_usd": found.other_text_usd,
    }


def _line(line: CostLine) -> dict[str, Any]:
    return {
        "name": line.key,
        "emails": line.emails,
        "texts": line.texts,
        "parts": line.parts,
        "usd": line.usd,
    }


def write_csv(found: Costs, to: TextIO) -> None:
    """Write one row for each kind, company and country, and one for the rest of the texts."""
    writer = csv.writer(to)
    writer.writerow(["month", "by", "name", "emails", "texts", "parts", "usd"])
    month = f"{found.month:%Y-%m}"
    for by, line in _all(found):
        cells = [line.emails, line.texts, line.parts, line.usd]
        writer.writerow([month, by, harmless(line.key), *cells])
    writer.writerow(
        [month, "other", "texts without a known outcome", "", "", "", found.other_text_usd]
    )
    total = [found.emails, found.texts, found.parts, found.usd]
    writer.writerow([month, "total", "", *total])


def _all(found: Costs) -> Iterator[tuple[str, CostLine]]:
    for by, lines in (
        ("kind", found.kinds),
        ("company", found.groups),
        ("country", found.countries),
    ):
        for line in lines:
            yield by, line


def counted_words(found: Costs) -> str:
    """Return up to when messages are counted, in words."""
    if not found.until:
        return "Nothing is counted yet; beat counts every five minutes."
    return f"Counted up to {timezone.localtime(found.until):%b %-d, %-I:%M %p}."
