import getpass
import json
import os
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import astuple
from functools import partial
from ipaddress import IPv4Address
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.aws import smtp_credentials
from apps.aws.account import Account
from apps.aws.doctor import dns_records, email, examination
from apps.aws.doctor.examination import Examined
from apps.aws.reconciliation import differences
from apps.aws.tables import table
from apps.core.audit.findings import Finding, Status, Unseen

from . import _loopback, _setup

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


class Command(BaseCommand):
    help = "The AWS account: what is set up, what is not, and what to do."
    # `status` reports what Django's own checks find, so they must not stop it.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parsers = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        smtp = parsers.add_parser(
            "smtp-credentials",
            help="make SES's SMTP user and password of an IAM access key",
            # Or argparse would take `--secret VALUE` for --secret-from-env, and print the value.
            allow_abbrev=False,
        )
        smtp.add_argument(
            "--secret-from-env",
            metavar="NAME",
            help="the variable that has the secret access key; asked for if left out",
        )
        smtp.add_argument("--access-key-id", metavar="ID", help="asked for if left out")
        smtp.add_argument(
            "--region", default=settings.AWS_SES_REGION_NAME, help="AWS_SES_REGION unless given"
        )
        status = parsers.add_parser(
            "status", help="look at everything, change nothing; exits with 1 if something fails"
        )
        reconcile = parsers.add_parser(
            "reconcile",
            help="compare the ledger with AWS's own counts; exits with 1 if something fails",
        )
        dns = parsers.add_parser(
            "dns", help="the DNS records that SES wants, and which of them are there"
        )
        dns.add_argument("--zone", action="store_true", help="print them as a zone file")
        dns.add_argument(
            "--nameserver",
            type=_nameserver,
            metavar="ADDRESS[:PORT]",
            help="ask this one, by its IPv4 address, rather than those of this machine",
        )
        plan = parsers.add_parser("plan", help="what `setup` would do; changes nothing")
        setup = parsers.add_parser(
            "setup", help="deploy the stack and set what it cannot; shows the plan and asks first"
        )
        _setup.add_arguments(plan, setup)
        loopback = parsers.add_parser(
            "loopback",
            help="send messages to AWS's simulator and back; exits with 1 if one is lost",
        )
        _loopback.add_arguments(loopback)
        for each in (smtp, status, reconcile, dns, plan, setup, loopback):
            each.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        run: dict[str, Callable[[dict[str, Any]], None]] = {
            "smtp-credentials": self._smtp_credentials,
            "status": self._status,
            "reconcile": self._reconcile,
            "dns": self._dns,
            "plan": self._plan,
            "setup": self._setup,
            "loopback": partial(_loopback.run, self),
        }
        run[options["what"]](options)

    def _dns(self, options: dict[str, Any]) -> None:
        try:
            wanted = dns_records.records(Account())
        except Unseen as unseen:
            raise CommandError(
                f"{email.domain()} in {settings.AWS_SES_REGION_NAME}: {unseen.finding.found}. "
                f"{unseen.finding.do}"
            ) from None
        if options["zone"]:
            self.stdout.write("\n".join(record.zone_line for record in wanted))
            return
        looked = dns_records.look_up(wanted, options["nameserver"])
        if options["json"]:
            found = [each.as_dict() for each in looked]
            self.stdout.write(json.dumps({"domain": email.domain(), "records": found}))
            return
        rows = [tuple(each.as_dict().values()) for each in looked]
        self.stdout.write("\n".join(table(rows)))

    def _plan(self, options: dict[str, Any]) -> None:
        try:
            _setup.show_plan(options, self.stdout, self.stderr)
        except Unseen as unseen:
            raise _stopped(unseen) from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Nothing was changed.", returncode=130) from None

    def _setup(self, options: dict[str, Any]) -> None:
        try:
            if not _setup.set_up(options, self.stdout, self.stderr):
                sys.exit(1)
        except Unseen as unseen:
            raise _stopped(unseen) from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted before anything was changed.", returncode=130) from None

    def _status(self, options: dict[str, Any]) -> None:
        examined = examination.examine()
        is_well = not examination.count(examined, Status.FAIL)
        if options["json"]:
            checks = [each.as_dict() for each in examined]
            self.stdout.write(json.dumps({"ok": is_well, "checks": checks}))
        else:
            self._tell(examined)
        if not is_well:
            sys.exit(1)

    def _reconcile(self, options: dict[str, Any]) -> None:
        lines = differences.compare()
        is_well = all(line.finding.status != Status.FAIL for line in lines)
        if options["json"]:
            found = [line.as_dict() for line in lines]
            self.stdout.write(json.dumps({"ok": is_well, "lines": found}))
        else:
            for line in lines:
                self._tell_line(line.id, line.finding)
        if not is_well:
            sys.exit(1)

    def _tell(self, examined: list[Examined]) -> None:
        for area, group in groupby(examined, key=lambda each: each.check.area):
            self.stdout.write(f"\n{area}")
            for each in group:
                self._tell_line(each.check.id, each.finding)
        counts = (f"{examination.count(examined, status)} {status}" for status in Status)
        self.stdout.write(f"\n{', '.join(counts)}. docs/aws.md says what each check is about.")

    def _tell_line(self, name: str, finding: Finding) -> None:
        styles = {
            Status.OK: self.style.SUCCESS,
            Status.WARN: self.style.WARNING,
            Status.FAIL: self.style.ERROR,
        }
        status, found, do = astuple(finding)
        mark = styles[status](f"{status:4}")
        self.stdout.write(f"  {mark} {name}: {found}.{f' {do}' if do else ''}")

    def _smtp_credentials(self, options: dict[str, Any]) -> None:
        access_key_id, secret = _access_key(options["access_key_id"], options["secret_from_env"])
        try:
            made = smtp_credentials.derive(access_key_id, secret, options["region"])
        except smtp_credentials.Unusable as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps({"region": options["region"], **made._asdict()}))
            return
        self.stdout.write(f"AWS_SES_SMTP_USER={made.user}")
        self.stdout.write(f"AWS_SES_SMTP_PASSWORD={made.password}")
        self.stderr.write(f"Good in {options['region']} alone. Keep it out of git.")


def _stopped(unseen: Unseen) -> CommandError:
    return CommandError(f"{unseen.finding.found}. {unseen.finding.do}")


def _access_key(access_key_id: str | None, variable: str | None) -> tuple[str, str]:
    """Return the id and the secret, never from arguments: every user of the host sees those."""
    if access_key_id is None and variable == "AWS_SECRET_ACCESS_KEY":
        # Only this variable's secret belongs to that id.
        access_key_id = os.environ.get("AWS_ACCESS_KEY_ID")
    if access_key_id is None:
        access_key_id = _asked("Access key id: ", "--access-key-id", input)
    if variable is None:
        secret = _asked("Secret access key (not shown): ", "--secret-from-env", getpass.getpass)
    elif not _VARIABLE.fullmatch(variable):
        # Not repeated, for it may be the secret itself.
        raise CommandError("--secret-from-env: give the name of a variable, as in SES_SECRET.")
    elif not (secret := os.environ.get(variable, "")):
        raise CommandError(f"The variable {variable} is not set, or empty.")
    return access_key_id.strip(), secret.strip()


def _nameserver(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    try:
        return str(IPv4Address(address)), int(port or 53)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is no address, as in 192.0.2.1 or 192.0.2.1:53"
        ) from None


def _asked(question: str, option: str, ask: Callable[[str], str]) -> str:
    if not sys.stdin.isatty():
        raise CommandError(f"There is no terminal to ask on: give {option}.")
    return ask(question)
