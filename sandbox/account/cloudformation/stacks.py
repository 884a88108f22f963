"""The stacks of the CloudFormation stand-in: lists of resources that do not exist."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sandbox.account.cloudformation.template import Filled, Resources
from sandbox.arns import ACCOUNT_ID, REGION

_ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}"
_STACK = "AWS::CloudFormation::Stack"
#: The status of a stack that has change sets only.
EMPTY = "REVIEW_IN_PROGRESS"


@dataclass
class ChangeSet:
    name: str
    id: str
    filled: Filled
    changes: list[dict[str, str]]

    def is_empty_for(self, now: Filled) -> bool:
        """Return whether it would change nothing in a stack filled as `now`."""
        wanted = self.filled
        return (
            not self.changes
            and wanted.parameters == now.parameters
            and wanted.outputs() == now.outputs()
        )


@dataclass
class Stack:
    """A stack, its change sets, and its events, oldest first."""

    name: str
    id: str
    status: str = EMPTY
    filled: Filled | None = None
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def new(cls, name: str) -> "Stack":
        made = cls(name, f"{_ARN}:stack/{name}/{uuid4()}")
        made._record(EMPTY)
        return made

    def mark_deleted(self) -> None:
        self._record("DELETE_COMPLETE")

    @property
    def resources(self) -> Resources:
        return self.filled.resources() if self.filled else {}

    def add_change_set(self, name: str, filled: Filled) -> ChangeSet:
        made = ChangeSet(
            name,
            f"{_ARN}:changeSet/{name}/{uuid4()}",
            filled,
            _differences(self.resources, filled.resources()),
        )
        self.change_sets[made.id] = made
        return made

    def execute(self, change_set: ChangeSet, fails_at: str) -> None:
        """Apply a change set at once; roll back if it changes the resource `fails_at`."""
        verb = "UPDATE" if self.filled else "CREATE"
        self.change_sets.clear()
        self._record(f"{verb}_IN_PROGRESS")
        for change in change_set.changes:
            if change["LogicalResourceId"] == fails_at:
                self._record(f"{verb}_FAILED", change, "The sandbox was told to fail here")
                rolled_back = "UPDATE_ROLLBACK" if self.filled else "ROLLBACK"
                self._record(f"{rolled_back}_IN_PROGRESS")
                return self._record(f"{rolled_back}_COMPLETE")
            self._record(_DONE[change["Action"]], change)
        self.filled = change_set.filled
        self._record(f"{verb}_COMPLETE")

    def _record(
        self, status: str, change: Mapping[str, str] | None = None, reason: str = ""
    ) -> None:
        """Record an event of a resource, or of the stack itself, which takes that status."""
        if change is None:
            self.status = status
        resource = change["LogicalResourceId"] if change else self.name
        self.events.append(
            {
                "StackId": self.id,
                "StackName": self.name,
                "EventId": str(uuid4()),
                "LogicalResourceId": resource,
                "PhysicalResourceId": f"sandbox-{resource}" if change else self.id,
                "ResourceType": change["ResourceType"] if change else _STACK,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "Timestamp": datetime.now(UTC),
            }
        )


_DONE = {"Add": "CREATE_COMPLETE", "Modify": "UPDATE_COMPLETE", "Remove": "DELETE_COMPLETE"}


def _differences(before: Resources, after: Resources) -> list[dict[str, str]]:
    """Return the changes; for a modified resource, not whether it would be replaced."""

    def change(action: str, name: str, of: Resources) -> dict[str, str]:
        return {"Action": action, "LogicalResourceId": name, "ResourceType": of[name][0]}

    return [
        *(change("Add", name, after) for name in after if name not in before),
        *(
            change("Modify", name, after)
            for name in after
            if name in before and before[name] != after[name]
        ),
        *(change("Remove", name, before) for name in before if name not in after),
    ]
