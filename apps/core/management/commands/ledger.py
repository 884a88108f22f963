import json
import sys
from datetime import datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from apps.core.audit.ledger import Ledger, ledger
from apps.core.states import Channel, DeliveryState

SHOWN = 50


class Command(BaseCommand):
    help = (
        "Balance the books: every delivery by its state, against the log. Exits with 1 where they "
        "do not balance."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=_moment, help="a date or date and time (ISO 8601)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        books = ledger(options["since"])
        if options["json"]:
            self.stdout.write(json.dumps(books.as_dict(), cls=DjangoJSONEncoder))
        else:
            self._tell(books)
        if not books.balances:
            sys.exit(1)

    def _tell(self, books: Ledger) -> None:
        for state in DeliveryState:
            self.stdout.write(f"{books.states[state.value]:>9,}  {state.label}")
        self.stdout.write(
            f"{books.deliveries:>9,}  deliveries of {books.notifications:,} notifications; "
            f"{books.taken:,} taken by the provider according to the log, {books.resent:,} of them "
            "in two attempts"
        )
        self.stdout.write(
            f"{books.perhaps_twice:>9,}  sent again after an attempt of which nobody knew: "
            "they may have arrived twice"
        )
        for each in books.money:
            self.stdout.write(
                f"{each.committed_usd:>9,.2f}  US dollars committed for the text messages of "
                f"{each.month:%B %Y}, {each.deliveries_usd:,.2f} of them in their deliveries"
            )
        for channel, reasons in books.stopped.items():
            for reason in reasons:
                label = Channel(channel).label
                self.stdout.write(self.style.WARNING(f"{label} is stopped: {reason}"))
        for odd in books.discrepancies[:SHOWN]:
            self.stdout.write(self.style.ERROR(f"{odd.row} {odd.problem}"))
        hidden = len(books.discrepancies) - SHOWN
        if hidden > 0:
            self.stdout.write(f"and {hidden:,} more; --json lists all")
        verdict = "The books balance." if books.balances else "The books do not balance."
        self.stdout.write((self.style.SUCCESS if books.balances else self.style.ERROR)(verdict))


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime.combine(day, time())
    except ValueError as error:
        raise CommandError(f"--since: {text!r} is no date: {error}.") from None
    if moment is None:
        raise CommandError(f"--since: write a date as in 2026-11-23, not {text!r}.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
