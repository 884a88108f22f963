"""One CloudFormation stack: how it stands, what a change would do, and what became of one."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from apps.aws.account import CallRefused, Operator, Stopped
from apps.core.audit.findings import Unseen

from .change_set import POLL_S, SILENCE_S, ChangeSet, Tell

#: The template names its roles, policies and its user.
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]

_SERVICE = "cloudformation"
#: Where only a change set was ever made for a stack.
_EMPTY = "REVIEW_IN_PROGRESS"
_STACK = "AWS::CloudFormation::Stack"
_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]+): ")
#: The reason that CloudFormation gives for what it gave up since something else had failed.
_CANCELLED = "cancelled"

_DELETE = "aws cloudformation delete-stack --stack-name {name} --region {region}"
#: What to do about a stack of that status, from which no change can begin.
_STUCK = {
    **dict.fromkeys(
        ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"),
        f"It can only be deleted: `{_DELETE}`; then run the same command again.",
    ),
    "UPDATE_ROLLBACK_FAILED": (
        "Mend what kept it from going back, then `aws cloudformation continue-update-rollback "
        "--stack-name {name} --region {region}`, and when that is done run the same command again."
    ),
}
_WAIT = (
    "Wait until that is done (`aws cloudformation describe-stacks --stack-name {name} --region "
    "{region}` tells), then run the same command again."
)
_AS_BEFORE = "All is as it was before: mend what failed, and run the same command again."


@dataclass(frozen=True)
class Standing:
    """A stack as it is."""

    id: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    #: Those outputs that a variable of the application takes, by the variable.
    variables: dict[str, str]


@dataclass(frozen=True)
class Stack:
    """The stack of that name, whether it exists or not."""

    operator: Operator
    name: str
    region: str

    def standing(self) -> Standing | None:
        """How it stands; None where there is none, or only a change set of one."""
        found = self._described(self.name)
        return None if not found or found["StackStatus"] == _EMPTY else _standing(found)

    def refuse_unless_free(self, standing: Standing | None) -> None:
        """Raises Stopped where no change can begin now, with what to do about it."""
        if standing and (do := self._how_to_free(standing.status)):
            raise Stopped(f"the stack {self.name} is {standing.status}", do)

    def _how_to_free(self, status: str) -> str:
        do = _WAIT if status.endswith("_IN_PROGRESS") else _STUCK.get(status, "")
        return do.format(name=self.name, region=self.region)

    @contextmanager
    def change_set(
        self,
        standing: Standing | None,
        body: str,
        parameters: list[dict[str, Any]],
        tags: dict[str, str],
        tell: Tell,
    ) -> Iterator[ChangeSet]:
        """What would become of the stack; deleted again at the end, unless it was executed.

        With it goes the empty stack that CloudFormation makes for the first change set of one.
        """
        made = self._create(standing, body, parameters, tags)
        tell("change set made; CloudFormation works out what it would do")
        try:
            made.wait(tell)
            yield made
        except BaseException:
            # What went wrong is to be told, not what is left lying because of it.
            if not made.is_executed:
                self._try_to_discard(made, tell)
            raise
        if not made.is_executed:
            self._discard(made)

    def _create(
        self,
        standing: Standing | None,
        body: str,
        parameters: list[dict[str, Any]],
        tags: dict[str, str],
    ) -> ChangeSet:
        token = f"rs-systems-{uuid4()}"
        answer = self.operator.change(
            _SERVICE,
            "CreateChangeSet",
            self.region,
            StackName=self.name,
            ChangeSetName=token,
            ClientToken=token,
            ChangeSetType="UPDATE" if standing else "CREATE",
            TemplateBody=body,
            Parameters=parameters,
            Capabilities=CAPABILITIES,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        return ChangeSet(self.operator, self.region, answer["Id"], answer["StackId"])

    def _try_to_discard(self, made: ChangeSet, tell: Tell) -> None:
        try:
            self._discard(made)
        except Unseen as unseen:
            tell(f"the change set {made.id} is left behind: {unseen.finding.found}")

    def _discard(self, made: ChangeSet) -> None:
        made.delete()
        if self._is_empty(made.stack_id):
            self.operator.change(_SERVICE, "DeleteStack", self.region, StackName=made.stack_id)
            # The next run would find it being deleted.
            while self._status(made.stack_id) in (_EMPTY, "DELETE_IN_PROGRESS"):
                time.sleep(POLL_S)

    def _is_empty(self, stack_id: str) -> bool:
        """Whether nothing but change sets was ever made in it, and none is left."""
        return (
            self._status(stack_id) == _EMPTY
            and not self._look("ListStackResources", StackName=stack_id)["StackResourceSummaries"]
            and not self._look("ListChangeSets", StackName=stack_id)["Summaries"]
        )

    def _status(self, name: str) -> str:
        described = self._described(name)
        return str(described["StackStatus"]) if described else ""

    def _described(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._look("DescribeStacks", StackName=name)["Stacks"][0]
        except CallRefused as refused:
            if "does not exist" in refused.words:
                return None
            raise
        return found

    def execute(self, made: ChangeSet, tell: Tell) -> None:
        """Do what the change set says, and return when it is done.

        `tell` gets a line for each thing that happens. Raises Stopped where it failed, with the
        reasons, and KeyboardInterrupt as it comes: CloudFormation goes on by itself.
        """
        seen = self._newest_event(made.stack_id)
        made.execute()
        failures: list[str] = []
        said_at = time.monotonic()
        while True:
            for event in self._events(made.stack_id, after=seen):
                seen, said_at = event["EventId"], time.monotonic()
                tell(_event_line(event))
                if _is_failure(event):
                    failures.append(f"{event['LogicalResourceId']}: {_reason(event)}")
                if status := _end(event, made.stack_id):
                    return self._ended(status, failures)
            if time.monotonic() - said_at >= SILENCE_S:
                tell("still at it")
                said_at = time.monotonic()
            time.sleep(POLL_S)

    def _newest_event(self, stack_id: str) -> str:
        events = self._look("DescribeStackEvents", StackName=stack_id)["StackEvents"]
        return str(events[0]["EventId"])

    def _events(self, stack_id: str, after: str) -> list[dict[str, Any]]:
        """Those after that one, the oldest first; CloudFormation tells the newest first."""
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self._look("DescribeStackEvents", StackName=stack_id, **token)
            for event in page["StackEvents"]:
                if event["EventId"] == after:
                    return found[::-1]
                found.append(event)
            if not page.get("NextToken"):
                return found[::-1]
            token = {"NextToken": page["NextToken"]}

    def _ended(self, status: str, failures: list[str]) -> None:
        if status.endswith("_COMPLETE") and "ROLLBACK" not in status:
            return
        why = f": {'; '.join(failures)}" if failures else ""
        raise Stopped(
            f"the stack {self.name} is {status}{why}", self._how_to_free(status) or _AS_BEFORE
        )

    def _look(self, action: str, **parameters: str) -> dict[str, Any]:
        return self.operator.look(_SERVICE, action, self.region, **parameters)


def _standing(found: dict[str, Any]) -> Standing:
    outputs = found.get("Outputs", [])
    variables = {
        named[1]: output["OutputValue"]
        for output in outputs
        if (named := _VARIABLE.match(output.get("Description", "")))
    }
    return Standing(
        id=found["StackId"],
        status=found["StackStatus"],
        parameters={
            each["ParameterKey"]: each.get("ParameterValue", "")
            for each in found.get("Parameters", [])
        },
        outputs={each["OutputKey"]: each["OutputValue"] for each in outputs},
        variables=variables,
    )


def _event_line(event: dict[str, Any]) -> str:
    line = f"{event['ResourceStatus']}  {event['LogicalResourceId']}  {event['ResourceType']}"
    return f"{line}: {_reason(event)}" if _is_failure(event) else line


def _is_failure(event: dict[str, Any]) -> bool:
    return (
        event["ResourceStatus"].endswith("_FAILED")
        and event["ResourceType"] != _STACK
        and _CANCELLED not in _reason(event)
    )


def _reason(event: dict[str, Any]) -> str:
    return str(event.get("ResourceStatusReason", "no reason given"))


def _end(event: dict[str, Any], stack_id: str) -> str:
    """The status that the whole operation ended with; empty for every event but its last."""
    status = str(event["ResourceStatus"])
    is_own = event.get("PhysicalResourceId") == stack_id
    return "" if not is_own or status.endswith("_IN_PROGRESS") else status
