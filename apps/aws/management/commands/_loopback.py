"""`aws loopback`: its options, and what it prints."""

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.aws.round_trip import signed_headers
from apps.aws.round_trip.hops import Broken
from apps.aws.round_trip.journeys import PATIENCE_S, Journey, PassedHop, send_round
from apps.aws.round_trip.simulated_recipients import (
    EMAILS,
    TEXTS,
    CannotStart,
    Recipient,
    label,
    recipients,
)
from apps.core.guards import sms_budget
from apps.core.providers.aws.simulator import NUMBERS
from apps.core.states import Channel

NAMES = [*EMAILS, *TEXTS]
_WIDTH = max(map(len, NAMES))
_SMS_OFF = "text messages are switched off (SMS_ENABLED)"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--sms",
        nargs="?",
        const="US",
        choices=sorted(NUMBERS),
        metavar="COUNTRY",
        help="send texts as well, to the simulator numbers of that country; US unless given",
    )
    parser.add_argument(
        "--only",
        type=_names,
        metavar="NAME,…",
        help=f"only these, of {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="how long each is waited for; {:.0f} for an e-mail and {:.0f} for a text unless "
        "given".format(*PATIENCE_S.values()),
    )
    parser.add_argument(
        "--received",
        type=Path,
        metavar="FILE",
        help="send nothing: say whether the DKIM signature of a received e-mail covers the headers "
        "of one-click unsubscribing (have `test_ses` send one to you, and save its source)",
    )
    parser.add_argument("--yes", action="store_true", help="send without asking")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Send, follow and print; exit with 1 if an event did not come back."""
    if options["received"]:
        _look_at(command, options["received"], as_json=options["json"])
        return
    names = options["only"] or [*EMAILS, *(TEXTS if options["sms"] else ())]
    skipped = [] if settings.SMS_ENABLED else [name for name in names if name in TEXTS]
    run_label = label()
    teller = _Teller(command, options["json"])
    try:
        chosen = recipients(
            [name for name in names if name not in skipped], run_label, options["sms"] or "US"
        )
        teller.introduce(chosen, skipped)
        if chosen:
            _confirm(options)
        journeys = send_round(chosen, run_label, teller.tell, timeout_s=options["timeout"])
    except CannotStart as error:
        raise CommandError(str(error)) from None
    teller.conclude(run_label, journeys, skipped)
    if not all(journey.is_home for journey in journeys):
        sys.exit(1)


def _look_at(command: BaseCommand, path: Path, *, as_json: bool) -> None:
    """Say what the signatures of a received e-mail cover; exit with 1 if one header is left out."""
    try:
        received = signed_headers.read(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    if as_json:
        signatures = [
            {"domain": each.domain, "headers": sorted(each.headers), "lacks": each.lacks()}
            for each in received.signatures
        ]
        answer = {"ok": received.is_covered, "missing": received.missing, "signatures": signatures}
        command.stdout.write(json.dumps(answer))
    else:
        for line in _signature_lines(received):
            command.stdout.write(line)
        style = command.style.SUCCESS if received.is_covered else command.style.ERROR
        said = "are" if received.is_covered else "are not both"
        command.stdout.write(style(f"{' and '.join(signed_headers.ONE_CLICK)} {said} signed."))
    if not received.is_covered:
        sys.exit(1)


def _signature_lines(received: signed_headers.Received) -> Iterator[str]:
    if received.missing:
        yield f"The message has no {' and no '.join(received.missing)}."
    if not received.signatures:
        yield "The message has no DKIM-Signature: save its source as it arrived, with all headers."
    for each in received.signatures:
        yield f"Signed by {each.domain or 'an unnamed domain'}: {', '.join(sorted(each.headers))}"


class _Teller:
    def __init__(self, command: BaseCommand, as_json: bool) -> None:
        self._out, self._style, self._as_json = command.stdout, command.style, as_json

    def introduce(self, chosen: list[Recipient], skipped: list[str]) -> None:
        for line in _plan(chosen):
            self._say(line)
        for name in skipped:
            self._say(f"{name} is skipped: {_SMS_OFF}.")
        if not skipped and all(each.channel == Channel.EMAIL for each in chosen):
            self._say("No text messages: --sms sends those as well.")

    def tell(self, journey: Journey, news: PassedHop | Broken) -> None:
        name = journey.recipient.name.ljust(_WIDTH)
        if isinstance(news, PassedHop):
            self._say(f"  {name}  {news.at_s:6.2f} s  {news.hop.value:8}  {news.said}")
            return
        self._say(self._style.ERROR(f"  {name}  broken at: {news.hop.value}. {news.why}."))
        for line in news.likely:
            finding = line.finding
            self._say(f"      {finding.status:4} {line.check.id}: {finding.found}. {finding.do}")
        if news.do:
            self._say(f"      {news.do}")

    def conclude(self, run: str, journeys: list[Journey], skipped: list[str]) -> None:
        home = sum(journey.is_home for journey in journeys)
        if not self._as_json:
            verdict = f"{home} of {len(journeys)} came back (run {run})."
            style = self._style.SUCCESS if home == len(journeys) else self._style.ERROR
            self._say(style(verdict))
            return
        answer = {
            "ok": home == len(journeys),
            "run": run,
            "messages": [journey.as_dict() for journey in journeys],
            "skipped": [{"to": name, "why": _SMS_OFF} for name in skipped],
        }
        self._out.write(json.dumps(answer))

    def _say(self, line: str) -> None:
        if not self._as_json:
            self._out.write(line)
            self._out.flush()


def _plan(chosen: list[Recipient]) -> list[str]:
    texts = [each for each in chosen if each.channel == Channel.SMS]
    lines = []
    if emails := len(chosen) - len(texts):
        lines.append(
            f"To SES's mailbox simulator: {emails} e-mail{'s' * (emails > 1)}, billed as any "
            "other, some US$0.0001 each."
        )
    if texts:
        cost = sum((sms_budget.price(each.address, 1) for each in texts), Decimal())
        lines.append(
            f"To simulator numbers: {len(texts)} text message{'s' * (len(texts) > 1)}, billed as "
            f"any other, at most US${cost} of this month's budget."
        )
    return lines


def _confirm(options: dict[str, Any]) -> None:
    if options["yes"]:
        return
    if options["json"] or not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask on: give --yes.")
    if input("Send? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was sent.")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in NAMES]:
        raise ArgumentTypeError(f"{', '.join(unknown)}: give some of {', '.join(NAMES)}")
    return list(dict.fromkeys(names))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 7 * 24 * 3600:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds
