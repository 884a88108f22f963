"""The plan of the set-up, and the steps that carry it out. Each step may be repeated."""

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
from .sms_setup import AttributeChange, NotGranted
from .stack import DeployedStack, Stack

T = TypeVar("T")

_ROLE_OUTPUT = "SmsDeliveryStatusRoleArn"
_BROKER_URL_OUTPUT = "BrokerSecretArn"
_ROLE_TO_COME = "the stack's SmsDeliveryStatusRole"


@dataclass(frozen=True)
class Wishes:
    """What the caller of the command asks for."""

    stack: Stack
    values: Values
    with_sms: bool
    #: None: do not ask for production access.
    request: Request | None
    #: Ask again after a denial.
    again: bool

    def asks_for(self, access: Access) -> bool:
        """Return whether to open a case, given the account's status."""
        if self.request is None or access.status not in OPEN:
            return False
        return self.again or access.status != production_access.AccessStatus.DENIED


@dataclass(frozen=True)
class Plan:
    """What the set-up would do; an Unseen says why a part is not known."""

    wishes: Wishes
    deployed: DeployedStack | None
    change_set: ChangeSet
    values: Values
    sms: list[AttributeChange] | Unseen
    access: Access | Unseen

    @property
    def asks_for_access(self) -> bool:
        return isinstance(self.access, Access) and self.wishes.asks_for(self.access)

    @property
    def is_empty(self) -> bool:
        may_ask = self.wishes.request is not None and isinstance(self.access, Unseen)
        return self.change_set.is_empty and not (self.sms or self.asks_for_access or may_ask)

    def as_dict(self) -> dict[str, Any]:
        stack, deployed, request = self.wishes.stack, self.deployed, self.wishes.request
        return {
            "stack": {
                "name": stack.name,
                "region": stack.region,
                "status": deployed.status if deployed else None,
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
    """Yield the plan while its change set exists; raises Stopped or Unseen."""
    stack, values = wishes.stack, dict(wishes.values)
    parameters.check(values)
    if wishes.with_sms:
        sms_setup.refuse_other_region(stack.region)
    tell(f"looking at the stack {stack.name} in {stack.region}")
    deployed = stack.deployed()
    stack.refuse_unless_free(deployed)
    previous = deployed.parameters if deployed else {}
    parameters.check_complete(values, previous)
    tell("looking at SES's account and SNS's attributes of text messages")
    access, quota = _of_ses(operator, stack.region)
    sms = _of_sns(operator, wishes, deployed)
    values = quota | values
    told = parameters.for_call(values, previous)
    with stack.change_set(deployed, template.body(), told, _tags(values), tell) as change_set:
        yield Plan(wishes, deployed, change_set, values, sms, access)


def _of_ses(operator: Operator, region: str) -> tuple[Access | Unseen, dict[str, Value]]:
    try:
        account = operator.ask("sesv2", "GetAccount", region)
    except Unseen as unseen:
        return unseen, {}
    return production_access.access(account), parameters.of_quota(account)


def _of_sns(
    operator: Operator, wishes: Wishes, deployed: DeployedStack | None
) -> list[AttributeChange] | Unseen:
    if not wishes.with_sms:
        return []
    role = deployed.outputs.get(_ROLE_OUTPUT, "") if deployed else ""
    try:
        now = sms_setup.attributes(operator, wishes.stack.region)
    except Unseen as unseen:
        return unseen
    return sms_setup.attribute_changes(now, role or _ROLE_TO_COME)


def _tags(values: Values) -> dict[str, str]:
    return {"Application": "rs-systems", "Environment": values["Environment"].text}


class StepState(StrEnum):
    DONE = "done"
    NOTHING = "nothing to do"
    #: AWS or a person must allow the rest.
    WAITS = "waits"
    FAILED = "failed"
    NOT_BEGUN = "not begun"


@dataclass
class SetupStep:
    """One step of the set-up, and its result."""

    name: str
    act: Callable[[], tuple[StepState, str]]
    state: StepState = StepState.NOT_BEGUN
    said: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "state": self.state.value, "said": self.said}


@dataclass
class Setup:
    """Carries a plan out, step by step, until a step fails."""

    operator: Operator
    plan: Plan
    tell: Tell
    steps: list[SetupStep] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = [SetupStep("The stack", self._stack)]
        if self.plan.wishes.with_sms:
            self.steps.append(SetupStep("SNS's attributes of text messages", self._attributes))
            self.steps.append(SetupStep("The spending limit of text messages", self._limit))
        self.steps.append(SetupStep("SES's production access", self._access))

    @property
    def is_done(self) -> bool:
        return all(step.state not in (StepState.FAILED, StepState.NOT_BEGUN) for step in self.steps)

    def run(self) -> None:
        """Run the steps up to the first that fails; never raises for AWS's answers."""
        for number, step in enumerate(self.steps, 1):
            place = f"[{number}/{len(self.steps)}] {step.name}"
            self.tell(place)
            try:
                step.state, step.said = step.act()
            except Unseen as unseen:
                finding = unseen.finding
                step.state, step.said = StepState.FAILED, f"{finding.found}. {finding.do}"
            except KeyboardInterrupt:
                step.state, step.said = StepState.FAILED, "interrupted"
            said = f"; {step.said}" if step.said else ""
            self.tell(f"{place}: {step.state}{said}")
            if step.state == StepState.FAILED:
                return

    @cached_property
    def deployed(self) -> DeployedStack:
        """Return the stack after its step; raises Stopped if there is none."""
        stack = self.plan.wishes.stack
        found = stack.deployed()
        if found is None:
            raise Stopped(f"there is no stack {stack.name}", "Run the same command again.")
        return found

    def _stack(self) -> tuple[StepState, str]:
        stack, change_set = self.plan.wishes.stack, self.plan.change_set
        if change_set.is_empty:
            return StepState.NOTHING, ""
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
        return StepState.DONE, _count(len(change_set.changes), "changed resource")

    def _attributes(self) -> tuple[StepState, str]:
        wanted = [each for each in self._attribute_changes() if each.name != sms_setup.LIMIT]
        if not wanted:
            return StepState.NOTHING, ""
        sms_setup.set_attributes(self.operator, self._region, wanted)
        return StepState.DONE, ", ".join(each.name for each in wanted)

    def _limit(self) -> tuple[StepState, str]:
        for each in self._attribute_changes():
            if each.name == sms_setup.LIMIT:
                try:
                    sms_setup.set_limit(self.operator, self._region, each)
                except NotGranted as error:
                    return StepState.WAITS, str(error)
                return StepState.DONE, f"{each.wanted} USD a month"
        return StepState.NOTHING, ""

    def _attribute_changes(self) -> list[AttributeChange]:
        """Compare again: the stack's role is known now."""
        role = self.deployed.outputs.get(_ROLE_OUTPUT, "")
        return sms_setup.attribute_changes(sms_setup.attributes(self.operator, self._region), role)

    def _access(self) -> tuple[StepState, str]:
        wishes = self.plan.wishes
        access = production_access.access(self.operator.look("sesv2", "GetAccount", self._region))
        if wishes.request and wishes.asks_for(access):
            production_access.ask_for(self.operator, self._region, wishes.request)
            answers_to = ", ".join(wishes.request.contacts)
            return (
                StepState.WAITS,
                f"requested; AWS answers in a case of its own, and to {answers_to}",
            )
        if access.status == production_access.AccessStatus.GRANTED:
            return StepState.NOTHING, ""
        return StepState.WAITS, str(access)

    @property
    def _region(self) -> str:
        return self.plan.wishes.stack.region

    def left_to_do(self) -> list[str]:
        """List what only a person can do, with the command if there is one."""
        values, user = self.plan.values, self.deployed.outputs.get("SmtpUserName", "NAME")
        return [
            f"Open the link that AWS mailed to {values['AdminEmail'].text}; until then no alarm "
            "rings.",
            "Add the DNS records: `manage.py aws dns`.",
            f"Make the SMTP credentials: `aws iam create-access-key --user-name {user}`, then "
            "`manage.py aws smtp-credentials`.",
            "Put the secret variables into the secret "
            f"rs-systems/{values['Environment'].text}/environment.",
            *self._to_copy(),
            "Get a number to send texts from, and leave the SMS sandbox, in AWS's console.",
            *(f"{step.name}: {step.said}" for step in self.steps if step.state == StepState.WAITS),
            "See what is left: `manage.py aws status`.",
        ]

    def _to_copy(self) -> Iterator[str]:
        if secret := self.deployed.outputs.get(_BROKER_URL_OUTPUT):
            yield (
                "Copy CELERY_BROKER_URL into the same secret: `aws secretsmanager get-secret-value "
                f"--query SecretString --output text --secret-id {secret}` shows it."
            )


def _left_alone(why: str, stack: Stack) -> Stopped:
    return Stopped(
        f"{why}; CloudFormation goes on by itself",
        "Watch it with `aws cloudformation describe-stack-events --stack-name "
        f"{stack.name} --region {stack.region}`; when the stack is complete, run the same command "
        "again.",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
