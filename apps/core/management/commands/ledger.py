import json
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import datetime, time, timedelta
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from apps.core.audit.ledger import Ledger, ledger
from apps.core.states import Channel, DeliveryState

SHOWN = 50
#: Seconds after which a command that no person watches begins to name its steps.
SLOW_S = 5.0


class Command(BaseCommand):
    help = (
        "Check the ledger: count every delivery by its state and compare it with its log. Exit "
        "with 1 if there is a discrepancy."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            type=_moment,
            help="look at what was made or has finished since a date, a date and time (ISO 8601), "
            "or so long ago: 24h, 7d",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        found = ledger(options["since"], self._progress())
        if options["json"]:
            self.stdout.write(json.dumps(found.as_dict(), cls=DjangoJSONEncoder))
        else:
            self._tell(found)
        if not found.balances:
            sys.exit(1)

    def _progress(self) -> Callable[[str], None]:
        """Return a function that names each step: at once on a terminal, else if it is slow."""
        started = monotonic()

        def tell(step: str) -> None:
            seconds = monotonic() - started
            if self.stderr.isatty() or seconds > SLOW_S:
                self.stderr.write(f"{seconds:5.0f} s: {step}", style_func=str)

        return tell

    def _tell(self, found: Ledger) -> None:
        for state in DeliveryState:
            self.stdout.write(f"{found.states[state.value]:>9,}  {state.label}")
        self.stdout.write(
            f"{found.deliveries:>9,}  deliveries of {found.notifications:,} notifications; "
            f"{found.taken:,} accepted by the provider according to the log, "
            f"{found.resent:,} of them in two attempts"
        )
        self.stdout.write(
            f"{found.perhaps_twice:>9,}  sent again after an attempt of unknown outcome: "
            "they may have arrived twice"
        )
        for month in found.money:
            self.stdout.write(
                f"{month.committed_usd:>9,.2f}  US dollars committed for the text messages of "
                f"{month.month:%B %Y}, {month.deliveries_usd:,.2f} of them in their deliveries"
            )
        for channel, reasons in found.stopped.items():
            for reason in reasons:
                label = Channel(channel).label
                self.stdout.write(self.style.WARNING(f"{label} is stopped: {reason}"))
        for each in found.discrepancies[:SHOWN]:
            self.stdout.write(self.style.ERROR(f"{each.row} {each.problem}"))
        hidden = len(found.discrepancies) - SHOWN
        if hidden > 0:
            self.stdout.write(f"and {hidden:,} more; --json lists all")
        verdict = "The ledger balances." if found.balances else "The ledger does not balance."
        self.stdout.write((self.style.SUCCESS if found.balances else self.style.ERROR)(verdict))


def _moment(text: str) -> datetime:
    try:
        moment = _ago(text) or parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime.combine(day, time())
        if moment is not None:
            return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{text!r} is not a date: {error}") from None
    raise ArgumentTypeError(f"write a date as in 2026-11-23, or 24h or 7d, not {text!r}")


def _ago(text: str) -> datetime | None:
    found = re.fullmatch(r"(\d{1,6})([hd])", text)
    if not found:
        return None
    count = int(found[1])
    return timezone.now() - (timedelta(hours=count) if found[2] == "h" else timedelta(days=count))
