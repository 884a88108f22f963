import json
from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from apps.core.costs.capacity import HOUR_S, MOST_PER_DAY, SMALLEST_PEAK, Capacity, Mix, capacity


class Command(BaseCommand):
    help = (
        "Say what a number of notifications a day needs and costs by the settings' limits and "
        "prices, and which limit it meets first. Nothing is sent, and no service is asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        usual = Mix()
        parser.add_argument(
            "--per-day", type=_count, required=True, metavar="N", help="notifications a day"
        )
        for name, kind, value, words in (
            ("email", _share, usual.email_share, "the share that goes by e-mail"),
            ("text", _share, usual.text_share, "the share that goes by text message"),
            ("peak", _peak, usual.peak_share, "the share that comes in the busiest hour"),
        ):
            parser.add_argument(
                f"--{name}-share", type=kind, default=value, help=f"{words}; {value}"
            )
        parser.add_argument("--parts", type=_count, default=1, help="parts of a text message; 1")
        parser.add_argument(
            "--ses-quota", type=_count, help="e-mails in 24 hours, as `aws status` shows them"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        mix = Mix(
            options["email_share"], options["text_share"], options["parts"], options["peak_share"]
        )
        found = capacity(options["per_day"], mix, options["ses_quota"])
        if options["json"]:
            self.stdout.write(json.dumps(found.as_dict(), cls=DjangoJSONEncoder))
        else:
            self._tell(found)

    def _tell(self, found: Capacity) -> None:
        tell = self.stdout.write
        tell(f"{found.per_day:,} notifications a day, a month of 30 days:")
        tell(f"{found.email_usd:>12,.2f}  US dollars for {found.emails_a_month:,} e-mails")
        tell(f"{found.text_usd:>12,.2f}  US dollars for {found.texts_a_month:,} texts")
        tell(f"{found.redis_usd:>12,.2f}  US dollars for Redis (cache.t3.micro)")
        tell(f"{found.usd:>12,.2f}  US dollars together, without hosts and database")
        tell(f"In the busiest hour, {found.peak_per_s:,g} messages a second:")
        for name, seconds in (("e-mails", found.email_drain_s), ("texts", found.text_drain_s)):
            late = "" if seconds <= HOUR_S else ": they come late"
            tell(f"{_minutes(seconds):>12}  minutes to send the hour's {name}{late}")
        tell(
            f"{found.processes:>12,}  processes of workers, {found.cores:g} cores "
            f"(measured {found.measured_on:%Y-%m-%d})"
        )
        tell(f"{found.stored_gb_a_day:>12,g}  GB a day in PostgreSQL")
        tell("What breaks first, and with how many notifications a day:")
        for limit in found.limits:
            line = f"{limit.per_day:>12,}  {limit.name}"
            if limit in found.reached:
                line = self.style.WARNING(f"{line}: exceeded. {limit.do}")
            tell(line)
        if not found.reached:
            tell(self.style.SUCCESS("Nothing breaks."))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_PER_DAY:
        raise ArgumentTypeError(f"write a whole number from 1 to {MOST_PER_DAY:,}, not {text!r}")
    return int(text)


def _share(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal(-1)
    if not found.is_finite() or not 0 <= found <= 1:
        raise ArgumentTypeError(f"write a share from 0 to 1, not {text!r}")
    return found


def _peak(text: str) -> Decimal:
    found = _share(text)
    if found < SMALLEST_PEAK:
        raise ArgumentTypeError(
            f"write a share from {SMALLEST_PEAK} to 1, not {text!r}: the busiest of 24 hours has "
            "at least a 24th"
        )
    return found


def _minutes(seconds: int) -> str:
    return "under 1" if 0 < seconds < 60 else f"{seconds / 60:,.0f}"
