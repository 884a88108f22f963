import json
from argparse import ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from apps.core.costs.month import CostLine, Costs
from apps.core.guards import sms_budget
from apps.office import costs


class Command(BaseCommand):
    help = "Say what a month's messages cost, in US dollars, by kind, company and country."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--month", type=_month, metavar="YYYY-MM", help="the month (UTC); the present one"
        )
        form = parser.add_mutually_exclusive_group()
        form.add_argument(
            "--forecast", action="store_true", help="print only where the month is likely to end"
        )
        form.add_argument("--json", action="store_true", help="print one JSON object")
        form.add_argument("--csv", action="store_true", help="print rows for a spreadsheet")

    def handle(self, *args: Any, **options: Any) -> None:
        found = costs.named(options["month"] or sms_budget.this_month())
        if options["csv"]:
            costs.write_csv(found, self.stdout)  # type: ignore[arg-type]
        elif options["json"]:
            self.stdout.write(json.dumps(costs.as_dict(found), cls=DjangoJSONEncoder))
        elif options["forecast"]:
            self._tell_forecast(found)
        else:
            self._tell(found)

    def _tell(self, found: Costs) -> None:
        tell = self.stdout.write
        tell(f"{found.month:%B %Y}. {costs.counted_words(found)}")
        price = f"at ${found.email_price_per_1000} per 1,000"
        tell(f"{found.email_usd:>10,.2f}  US dollars for {found.emails:,} e-mails {price}")
        texts = f"{found.texts:,} texts of {found.parts:,} parts"
        tell(f"{found.text_usd:>10,.2f}  US dollars for {texts}; limit {found.limit_usd:,.2f}")
        tell(f"{found.usd:>10,.2f}  US dollars together; {found.last_month_usd:,.2f} last month")
        self._tell_forecast(found)
        for title, lines in (
            ("By kind", found.kinds),
            ("By company", found.groups),
            ("Texts by country", found.countries),
        ):
            tell(f"{title}:")
            for line in lines:
                tell(_words(line))

    def _tell_forecast(self, found: Costs) -> None:
        if found.forecast_usd is None:
            self.stdout.write("            no forecast: the month is over, or just begins")
        else:
            words = "US dollars at the month's end, by the working days until yesterday"
            self.stdout.write(f"{found.forecast_usd:>10,.2f}  {words}")


def _words(line: CostLine) -> str:
    return (
        f"{line.usd:>10,.2f}  {line.key}: {line.emails:,} e-mails, {line.texts:,} texts "
        f"of {line.parts:,} parts"
    )


def _month(text: str) -> date:
    try:
        return costs.parse_month(text)
    except ValueError:
        raise ArgumentTypeError(
            f"write a month as in 2026-11, from 2000-01 to the present one, not {text!r}"
        ) from None
