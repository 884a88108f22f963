"""One CloudFormation stack: its state, its change sets, and following a change."""

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

#: Required because the template names its roles, policies and user.
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]

_SERVICE = "cloudformation"
#: The status of a stack that has had nothing but change sets.
_EMPTY = "REVIEW_IN_PROGRESS"
_STACK = "AWS::CloudFormation::Stack"
_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]+): ")
#: CloudFormation's reason for a resource given up because another failed.
_CANCELLED = "cancelled"

_DELETE = "aws cloudformation delete-stack --stack-name {name} --region {region}"
#: What to do about a stack whose status lets no change begin.
_STUCK = {
    **dict.fromkeys(
        ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"),
        f"It can only be deleted: `{_DELETE}`; then run the same command again.",
    ),
    "UPDATE_ROLLBACK_FAILED": (
        "Fix what kept it from going back, then `aws cloudformation continue-update-rollback "
        "--stack-name {name} --region {region}`, and when that is done run the same command again."
    ),
}
_WAIT = (
    "Wait until that is done (`aws cloudformation describe-stacks --stack-name {name} --region "
    "{region}` tells), then run the same command again."
)
_AS_BEFORE = "All is as it was before: fix what failed, and run the same command again."


@dataclass(frozen=True)
class DeployedStack:
    """What CloudFormation says of a stack."""

    id: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    #: The outputs that a variable of the application takes, by the variable.
    variables: dict[str, str]


@dataclass(frozen=True)
class Stack:
    """The stack of that name, which may not exist yet."""

    operator: Operator
    name: str
    region: str

    def deployed(self) -> DeployedStack | None:
        """Return what is deployed; None if there is nothing but change sets."""
        found = self._described(self.name)
        return None if not found or found["StackStatus"] == _EMPTY else _deployed_stack(found)

    def refuse_unless_free(self, deployed: DeployedStack | None) -> None:
        """Raise Stopped if no change can begin now, with what to do about it."""
        if deployed and (do := self._how_to_free(deployed.status)):
            raise Stopped(f"the stack {self.name} is {deployed.status}", do)

    def _how_to_free(self, status: str) -> str:
        do = _WAIT if status.endswith("_IN_PROGRESS") else _STUCK.get(status, "")
        return do.format(name=self.name, region=self.region)

    @contextmanager
    def change_set(
        self,
        deployed: DeployedStack | None,
        body: str,
        parameters: list[dict[str, Any]],
        tags: dict[str, str],
        tell: Tell,
    ) -> Iterator[ChangeSet]:
        """Make a change set, and delete it at the end unless it was executed.

        Its end also deletes the empty stack that CloudFormation makes for a first change set.
        """
        made = self._create(deployed, body, parameters, tags)
        tell("change set made; CloudFormation works out what it would do")
        try:
            made.wait(tell)
            yield made
        except BaseException:
            # Report the first error, not the clean-up's.
            if not made.is_executed:
                self._try_to_discard(made, tell)
            raise
        if not made.is_executed:
            self._discard(made)

    def _create(
        self,
        deployed: DeployedStack | None,
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
            ChangeSetType="UPDATE" if deployed else "CREATE",
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
            # Otherwise the next run finds it being deleted.
            while self._status(made.stack_id) in (_EMPTY, "DELETE_IN_PROGRESS"):
                time.sleep(POLL_S)

    def _is_empty(self, stack_id: str) -> bool:
        """Return whether the stack has no resource and no change set."""
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
        """Execute the change set, and return when CloudFormation is done.

        `tell` gets each event. Raises Stopped with the reasons if it fails. After a
        KeyboardInterrupt CloudFormation goes on by itself.
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
        """Return the events after that one, oldest first; CloudFormation lists the newest first."""
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


def _deployed_stack(found: dict[str, Any]) -> DeployedStack:
    outputs = found.get("Outputs", [])
    variables = {
        named[1]: output["OutputValue"]
        for output in outputs
        if (named := _VARIABLE.match(output.get("Description", "")))
    }
    return DeployedStack(
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
    """Return the status with which the operation ended; empty for all events but the last."""
    status = str(event["ResourceStatus"])
    is_own = event.get("PhysicalResourceId") == stack_id
    return "" if not is_own or status.endswith("_IN_PROGRESS") else status
