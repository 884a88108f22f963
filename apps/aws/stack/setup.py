"""Sets the account up: the plan, and the steps that carry it out. Each step may be done again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

from apps.aws.account import Operator, Stopped
from apps.core.audit.findings import Unseen

from . import parameters, production_access, sms_setup, template
from .change_set import ChangeSet, Tell
from .parameters import Value, Values
from .production_access import OPEN, Access, Request
from .sms_setup import Difference, NotGranted
from .stack import Stack, Standing

T = TypeVar("T")

_ROLE_OUTPUT = "SmsDeliveryStatusRoleArn"
_ROLE_TO_COME = "the stack's SmsDeliveryStatusRole"


@dataclass(frozen=True)
class Wishes:
    """What whoever runs it asks for."""

    stack: Stack
    values: Values
    with_sms: bool
    #: None: no production access is to be asked for.
    request: Request | None
    #: Ask for it although AWS said no.
    again: bool

    def asks_for(self, access: Access) -> bool:
        """Whether a case is to be opened, as the account stands."""
        if self.request is None or access.standing not in OPEN:
            return False
        return self.again or access.standing != production_access.Standing.DENIED


@dataclass(frozen=True)
class Plan:
    """What the set-up would do. What could not be looked at is the Unseen that says why."""

    wishes: Wishes
    standing: Standing | None
    change_set: ChangeSet
    values: Values
    sms: list[Difference] | Unseen
    access: Access | Unseen

    @property
    def asks_for_access(self) -> bool:
        return isinstance(self.access, Access) and self.wishes.asks_for(self.access)

    @property
    def is_empty(self) -> bool:
        may_ask = self.wishes.request is not None and isinstance(self.access, Unseen)
        return self.change_set.is_empty and not (self.sms or self.asks_for_access or may_ask)

    def as_dict(self) -> dict[str, Any]:
        stack, standing, request = self.wishes.stack, self.standing, self.wishes.request
        return {
            "stack": {
                "name": stack.name,
                "region": stack.region,
                "status": standing.status if standing else None,
            },
            "parameters": [
                {"name": name, "value": value.text, "source": value.source}
                for name, value in self.values.items()
            ],
            "changes": [change.as_dict() for change in self.change_set.changes],
            "sms": _unseen_or(self.sms, lambda found: [each.as_dict() for each in found]),
            "production_access": _unseen_or(self.access, str),
            "request": request.as_dict() if request and self.asks_for_access else None,
            "is_empty": self.is_empty,
        }


def _unseen_or(seen: T | Unseen, form: Callable[[T], Any]) -> Any:
    return {"unseen": seen.finding.found} if isinstance(seen, Unseen) else form(seen)


@contextmanager
def plan(operator: Operator, wishes: Wishes, tell: Tell) -> Iterator[Plan]:
    """What would be done, for as long as its change set is there; raises Stopped or Unseen."""
    stack, values = wishes.stack, dict(wishes.values)
    parameters.check(values)
    if wishes.with_sms:
        sms_setup.refuse_other_region(stack.region)
    tell(f"looking at the stack {stack.name} in {stack.region}")
    standing = stack.standing()
    stack.refuse_unless_free(standing)
    previous = standing.parameters if standing else {}
    parameters.check_complete(values, previous)
    tell("looking at SES's account and SNS's attributes of text messages")
    access, quota = _of_ses(operator, stack.region)
    sms = _of_sns(operator, wishes, standing)
    values = quota | values
    told = parameters.for_call(values, previous)
    with stack.change_set(standing, template.body(), told, _tags(values), tell) as change_set:
        yield Plan(wishes, standing, change_set, values, sms, access)


def _of_ses(operator: Operator, region: str) -> tuple[Access | Unseen, dict[str, Value]]:
    try:
        account = operator.ask("sesv2", "GetAccount", region)
    except Unseen as unseen:
        return unseen, {}
    return production_access.access(account), parameters.of_quota(account)


def _of_sns(
    operator: Operator, wishes: Wishes, standing: Standing | None
) -> list[Difference] | Unseen:
    if not wishes.with_sms:
        return []
    role = standing.outputs.get(_ROLE_OUTPUT, "") if standing else ""
    try:
        now = sms_setup.attributes(operator, wishes.stack.region)
    except Unseen as unseen:
        return unseen
    return sms_setup.differences(now, role or _ROLE_TO_COME)


def _tags(values: Values) -> dict[str, str]:
    return {"Application": "rs-systems", "Environment": values["Environment"].text}


class State(StrEnum):
    DONE = "done"
    NOTHING = "nothing to do"
    #: Done as far as it goes; the rest is AWS's, or a person's, to allow.
    WAITS = "waits"
    FAILED = "failed"
    NOT_BEGUN = "not begun"


@dataclass
class Step:
    """One thing that the set-up does, and what became of it."""

    name: str
    act: Callable[[], tuple[State, str]]
    state: State = State.NOT_BEGUN
    said: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "state": self.state.value, "said": self.said}


@dataclass
class Setup:
    """Carries a plan out, step by step, until one fails."""

    operator: Operator
    plan: Plan
    tell: Tell
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = [Step("The stack", self._stack)]
        if self.plan.wishes.with_sms:
            self.steps.append(Step("SNS's attributes of text messages", self._attributes))
            self.steps.append(Step("The spending limit of text messages", self._limit))
        self.steps.append(Step("SES's production access", self._access))

    @property
    def is_done(self) -> bool:
        return all(step.state not in (State.FAILED, State.NOT_BEGUN) for step in self.steps)

    def run(self) -> None:
        """Every step up to the first that fails; raises nothing for what AWS says."""
        for number, step in enumerate(self.steps, 1):
            place = f"[{number}/{len(self.steps)}] {step.name}"
            self.tell(place)
            try:
                step.state, step.said = step.act()
            except Unseen as unseen:
                finding = unseen.finding
                step.state, step.said = State.FAILED, f"{finding.found}. {finding.do}"
            except KeyboardInterrupt:
                step.state, step.said = State.FAILED, "interrupted"
            said = f"; {step.said}" if step.said else ""
            self.tell(f"{place}: {step.state}{said}")
            if step.state == State.FAILED:
                return

    @cached_property
    def standing(self) -> Standing:
        """The stack as it is after its step; raises Stopped where there is none."""
        stack = self.plan.wishes.stack
        found = stack.standing()
        if found is None:
            raise Stopped(f"there is no stack {stack.name}", "Run the same command again.")
        return found

    def _stack(self) -> tuple[State, str]:
        stack, change_set = self.plan.wishes.stack, self.plan.change_set
        if change_set.is_empty:
            return State.NOTHING, ""
        try:
            stack.execute(change_set, self.tell)
        except KeyboardInterrupt:
            raise _left_alone("interrupted", stack) from None
        except Stopped:
            raise
        except Unseen as unseen:
            if not change_set.is_executed:
                raise
            raise _left_alone(unseen.finding.found, stack) from unseen
        return State.DONE, _count(len(change_set.changes), "changed resource")

    def _attributes(self) -> tuple[State, str]:
        wanted = [each for each in self._differences() if each.name != sms_setup.LIMIT]
        if not wanted:
            return State.NOTHING, ""
        sms_setup.set_attributes(self.operator, self._region, wanted)
        return State.DONE, ", ".join(each.name for each in wanted)

    def _limit(self) -> tuple[State, str]:
        for each in self._differences():
            if each.name == sms_setup.LIMIT:
                try:
                    sms_setup.set_limit(self.operator, self._region, each)
                except NotGranted as error:
                    return State.WAITS, str(error)
                return State.DONE, f"{each.wanted} USD a month"
        return State.NOTHING, ""

    def _differences(self) -> list[Difference]:
        """As they are now, for the role is known now."""
        role = self.standing.outputs.get(_ROLE_OUTPUT, "")
        return sms_setup.differences(sms_setup.attributes(self.operator, self._region), role)

    def _access(self) -> tuple[State, str]:
        wishes = self.plan.wishes
        access = production_access.access(self.operator.look("sesv2", "GetAccount", self._region))
        if wishes.request and wishes.asks_for(access):
            production_access.ask_for(self.operator, self._region, wishes.request)
            answers_to = ", ".join(wishes.request.contacts)
            return State.WAITS, f"requested; AWS answers in a case of its own, and to {answers_to}"
        if access.standing == production_access.Standing.GRANTED:
            return State.NOTHING, ""
        return State.WAITS, str(access)

    @property
    def _region(self) -> str:
        return self.plan.wishes.stack.region

    def left_to_do(self) -> list[str]:
        """What only a person can do, with the command for it where there is one."""
        values, user = self.plan.values, self.standing.outputs.get("SmtpUserName", "NAME")
        return [
            f"Open the link that AWS mailed to {values['AdminEmail'].text}; until then no alarm "
            "rings.",
            "Add the DNS records: `manage.py aws dns`.",
            f"Make the SMTP credentials: `aws iam create-access-key --user-name {user}`, then "
            "`manage.py aws smtp-credentials`.",
            "Put the secret variables into the secret "
            f"rs-systems/{values['Environment'].text}/environment.",
            "Get a number to send texts from, and leave the SMS sandbox, in AWS's console.",
            *(f"{step.name}: {step.said}" for step in self.steps if step.state == State.WAITS),
            "See what is left: `manage.py aws status`.",
        ]


def _left_alone(why: str, stack: Stack) -> Stopped:
    return Stopped(
        f"{why}; CloudFormation goes on by itself",
        "Watch it with `aws cloudformation describe-stack-events --stack-name "
        f"{stack.name} --region {stack.region}`; when the stack is complete, run the same command "
        "again.",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
