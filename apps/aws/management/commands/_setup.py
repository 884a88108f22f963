"""`aws plan` and `aws setup`: their options, and what they print."""

import json
import sys
import textwrap
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from apps.aws.account import Operator, Stopped
from apps.aws.stack import parameters, production_access, setup, template
from apps.aws.stack.change_set import Change
from apps.aws.stack.production_access import Access, Request
from apps.aws.stack.setup import Plan, Setup, StepState, Wishes
from apps.aws.stack.stack import Stack
from apps.aws.tables import table
from apps.core.audit.findings import Unseen


class Out(Protocol):
    """Django's `self.stdout` or `self.stderr`."""

    def write(self, msg: str, style_func: Any = None) -> None: ...

    def flush(self) -> None: ...


@dataclass(frozen=True)
class Terminal:
    """Prints for people, or one JSON object with the progress beside it."""

    out: Out
    err: Out
    is_json: bool

    def tell(self, line: str) -> None:
        """Print a line of progress at once; a closed pipe must not stop the work."""
        to = self.err if self.is_json else self.out
        with suppress(BrokenPipeError):
            to.write(f"- {line}", str)
            to.flush()

    def say(self, lines: Iterator[str]) -> None:
        """Print lines for people; nothing with --json."""
        if not self.is_json:
            self.out.write("\n".join(["", *lines, ""]))

    def answer(self, document: dict[str, Any]) -> None:
        if self.is_json:
            self.out.write(json.dumps(document))

    def agrees(self, question: str) -> bool:
        self.out.flush()
        try:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            return False


def add_arguments(plan: ArgumentParser, set_up: ArgumentParser) -> None:
    """Add the options of both commands."""
    for each in (plan, set_up):
        _add_stack_arguments(each)
        _add_request_arguments(each)
    set_up.add_argument("--yes", action="store_true", help="carry the plan out without asking")


def _add_stack_arguments(parser: ArgumentParser) -> None:
    name = f"rs-systems-notifications-{settings.ENVIRONMENT}"
    parser.add_argument("--stack-name", default=name, metavar="NAME", help=f"{name} unless given")
    parser.add_argument(
        "--region", default=settings.AWS_SES_REGION_NAME, help="AWS_SES_REGION unless given"
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the stack, before what the settings say; as often as needed",
    )
    parser.add_argument(
        "--parameters", metavar="FILE", help="a JSON object of them; --parameter goes before"
    )
    parser.add_argument(
        "--no-sms",
        action="store_true",
        help="leave SNS's attributes of text messages alone: they are the whole account's",
    )


def _add_request_arguments(parser: ArgumentParser) -> None:
    request = parser.add_argument_group("the request for SES's production access")
    request.add_argument(
        "--request-production-access",
        action="store_true",
        help="open the case at AWS, if none is open; people read it",
    )
    request.add_argument(
        "--request-again", action="store_true", help="also if AWS has denied it already"
    )
    text = request.add_mutually_exclusive_group()
    text.add_argument("--use-case", default="", metavar="TEXT", help="in place of our own text")
    text.add_argument("--use-case-file", metavar="FILE", help="the same, from a file")
    request.add_argument("--website", default="", metavar="URL", help="SITE_URL unless given")
    request.add_argument(
        "--contact", action="append", metavar="ADDRESS", help="ADMIN_EMAIL unless given; up to four"
    )
    request.add_argument(
        "--emails-a-day",
        type=int,
        default=production_access.EMAILS_A_DAY,
        metavar="NUMBER",
        help="%(default)s unless given",
    )


def show_plan(options: dict[str, Any], out: Out, err: Out) -> None:
    """Run `aws plan`; raises Unseen if no plan can be made."""
    terminal = Terminal(out, err, options["json"])
    operator = Operator()
    with setup.plan(operator, _wishes(operator, options), terminal.tell) as plan:
        document = plan.as_dict()
        terminal.say(_plan_lines(plan))
        terminal.tell("taking the change set back")
    terminal.tell("nothing was changed")
    terminal.answer(document)


def set_up(options: dict[str, Any], out: Out, err: Out) -> bool:
    """Run `aws setup`, return whether every step was done; raises Unseen if it cannot begin."""
    terminal = Terminal(out, err, options["json"])
    if not options["yes"] and (options["json"] or not sys.stdin.isatty()):
        raise Stopped("there is no terminal to ask on, and nothing was changed", "Give --yes.")
    operator = Operator()
    with setup.plan(operator, _wishes(operator, options), terminal.tell) as plan:
        terminal.say(_plan_lines(plan))
        if not options["yes"] and not plan.is_empty:
            if not terminal.agrees("Carry this out?"):
                terminal.tell("nothing was changed")
                return True
            plan = _with_request(plan, terminal, options)
        run = Setup(operator, plan, terminal.tell)
        run.run()
        _conclude(run, terminal)
    return run.is_done


def _with_request(plan: Plan, terminal: Terminal, options: dict[str, Any]) -> Plan:
    """Add the request for production access to the plan, if a person agrees."""
    deployed = plan.access.status if isinstance(plan.access, Access) else None
    if plan.wishes.request or deployed != production_access.AccessStatus.NOT_REQUESTED:
        return plan
    try:
        request = _request(options)
    except Stopped:
        return plan
    terminal.say(_request_lines(request))
    if not terminal.agrees("Also ask AWS for production access, in these words?"):
        return plan
    return replace(plan, wishes=replace(plan.wishes, request=request))


def _wishes(operator: Operator, options: dict[str, Any]) -> Wishes:
    region = options["region"]
    values = parameters.of_settings(region)
    if options["parameters"]:
        values |= parameters.of_file(options["parameters"])
    values |= parameters.of_options(options["parameter"])
    return Wishes(
        stack=Stack(operator, options["stack_name"], region),
        values=values,
        with_sms=not options["no_sms"],
        request=_request(options) if options["request_production_access"] else None,
        again=options["request_again"],
    )


def _request(options: dict[str, Any]) -> Request:
    use_case = options["use_case"]
    if path := options["use_case_file"]:
        try:
            use_case = Path(path).read_text()
        except (OSError, ValueError) as error:
            raise Stopped(f"{path} cannot be read: {error}", "Give a file of text.") from None
    return production_access.request(
        options["website"], use_case, options["contact"], options["emails_a_day"]
    )


def _plan_lines(plan: Plan) -> Iterator[str]:
    stack = plan.wishes.stack
    status = plan.deployed.status if plan.deployed else "does not exist yet"
    yield f"The stack {stack.name} in {stack.region}: {status}"
    previous = plan.deployed.parameters if plan.deployed else {}
    rows = [
        (name, _from(previous.get(name, ""), plan.values[name].text), plan.values[name].source)
        for name in template.parameters()
        if name in plan.values and previous.get(name) != plan.values[name].text
    ]
    yield from _section("parameters", rows)
    changes = [_change_row(each) for each in plan.change_set.changes]
    if changes or plan.change_set.is_empty:
        yield from _section("changes", changes)
    else:
        yield "  changes: of parameters, outputs or tags, and of no resource"
    yield "Outside the stack"
    yield from _section("SNS's attributes of text messages", _sms_rows(plan))
    access = plan.access
    said = access.finding.found if isinstance(access, Unseen) else str(access)
    yield f"  SES's production access: {'to be requested' if plan.asks_for_access else said}"
    if plan.asks_for_access and plan.wishes.request:
        yield from _request_lines(plan.wishes.request)
    if plan.is_empty:
        yield "Nothing to do."


def _section(name: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"  {name}{'' if rows else ': none'}"
    yield from (f"    {line}" for line in (table(rows) if rows else []))


def _change_row(change: Change) -> tuple[str, ...]:
    note = "what there was is kept" if change.is_end and change.is_kept else ""
    if change.loss:
        note = f"!! LOST WITH IT: {change.loss}"
    return change.word, change.id, change.type, note


def _sms_rows(plan: Plan) -> list[tuple[str, ...]]:
    if isinstance(plan.sms, Unseen):
        return [(plan.sms.finding.found,)]
    return [(each.name, _from(each.now, each.wanted)) for each in plan.sms]


def _from(now: str, wanted: str) -> str:
    return f"{now or '(none)'} -> {wanted}"


def _request_lines(request: Request) -> Iterator[str]:
    yield f"  website: {request.website}"
    yield f"  answers to: {', '.join(request.contacts)}"
    for paragraph in request.use_case.splitlines():
        yield from (f"  | {line}".rstrip() for line in textwrap.wrap(paragraph, 96) or [""])


def _conclude(run: Setup, terminal: Terminal) -> None:
    variables = run.deployed.variables if run.is_done else {}
    left = run.left_to_do() if run.is_done else []
    terminal.say(_conclusion(run, variables, left))
    terminal.answer(
        {
            "ok": run.is_done,
            "plan": run.plan.as_dict(),
            "steps": [step.as_dict() for step in run.steps],
            "variables": variables,
            "left_to_do": left,
        }
    )


def _conclusion(run: Setup, variables: dict[str, str], left: list[str]) -> Iterator[str]:
    if not run.is_done:
        yield from _where_it_stands(run)
        return
    yield "For the environment file:"
    yield from (f"{name}={value}" for name, value in variables.items())
    yield ""
    yield "Left to a person, if not done yet:"
    yield from (f"- {each}" for each in left)


def _where_it_stands(run: Setup) -> Iterator[str]:
    [(number, failed)] = [
        (number, step) for number, step in enumerate(run.steps, 1) if step.state == StepState.FAILED
    ]
    yield f"Stopped at step {number} of {len(run.steps)}, {failed.name}: {failed.said}"
    yield from (f"- {step.name}: {step.state}" for step in run.steps)
    yield "When that is fixed, run the same command again: what is done is not done twice."
