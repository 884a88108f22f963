"""The stacks that the CloudFormation stand-in keeps. Nothing stands behind their resources."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sandbox.place import ACCOUNT_ID, REGION
from sandbox.template import parse

_PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::NoValue": "",
}
_ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}"
_PLACE = re.compile(r"\$\{([^}]+)\}")
_STACK = "AWS::CloudFormation::Stack"
#: The status of a stack that only has change sets.
EMPTY = "REVIEW_IN_PROGRESS"

#: A resource's type, and its properties with the parameters' values in them.
Resources = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Filled:
    """A template with values for its parameters, as far as this stand-in works it out.

    References to resources become made-up names; conditions are worked out, other functions left.
    """

    template: dict[str, Any]
    parameters: dict[str, str]

    @classmethod
    def read(cls, body: str, given: Mapping[str, str]) -> "Filled":
        """With the template's defaults for what is not given."""
        template = parse(body)
        declared = template.get("Parameters", {})
        values = {
            name: given[name] if name in given else str(each.get("Default", ""))
            for name, each in declared.items()
        }
        return cls(template, values)

    def resources(self) -> Resources:
        return {
            name: (each["Type"], json.dumps(self._value(each.get("Properties")), sort_keys=True))
            for name, each in self.template["Resources"].items()
            if self._is_wanted(each)
        }

    def outputs(self) -> list[dict[str, Any]]:
        return [
            {
                "OutputKey": name,
                "Description": each.get("Description", ""),
                "OutputValue": str(self._value(each["Value"])),
            }
            for name, each in self.template.get("Outputs", {}).items()
            if self._is_wanted(each)
        ]

    def _is_wanted(self, entry: Mapping[str, Any]) -> bool:
        name = entry.get("Condition")
        return name is None or bool(self._value(self.template["Conditions"][name]))

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._value(each) for each in node]
        if not isinstance(node, dict):
            return node
        match list(node.items()):
            case [("Ref", str(name))]:
                return self._named(name)
            case [("Fn::GetAtt", [name, attribute])]:
                return self._named(f"{name}.{attribute}")
            case [("Fn::Sub", str(text))]:
                return _PLACE.sub(lambda place: self._named(place[1]), text)
            case [("Fn::Equals", [one, other])]:
                return self._value(one) == self._value(other)
            case [("Fn::Not", [one])]:
                return not self._value(one)
            case [("Fn::If", [condition, one, other])]:
                is_met = self._value(self.template["Conditions"][condition])
                return self._value(one if is_met else other)
        return {key: self._value(each) for key, each in node.items()}

    def _named(self, name: str) -> str:
        if name in self.parameters:
            return self.parameters[name]
        if name in _PSEUDO:
            return _PSEUDO[name]
        logical, _, attribute = name.partition(".")
        resource = self.template["Resources"][logical]
        own = self._own_name(resource.get("Properties", {})) or f"sandbox-{logical}"
        if attribute == "Arn" or (resource["Type"] == "AWS::SNS::Topic" and not attribute):
            service = resource["Type"].split("::")[1].lower()
            return f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{own}"
        return f"{own}.{attribute}" if attribute else own

    def _own_name(self, properties: Mapping[str, Any]) -> str:
        """That which the template gives a resource, as in its `TopicName`."""
        named = (value for key, value in properties.items() if key.endswith("Name"))
        return str(self._value(next(named, "")))


@dataclass
class ChangeSet:
    name: str
    id: str
    filled: Filled
    changes: list[dict[str, str]]

    def is_empty_for(self, now: Filled) -> bool:
        """Whether a stack that is so would stay as it is."""
        wanted = self.filled
        return (
            not self.changes
            and wanted.parameters == now.parameters
            and wanted.outputs() == now.outputs()
        )


@dataclass
class Stack:
    """A stack, its change sets, and what happened to it, the oldest first."""

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
        made.tell(EMPTY)
        return made

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
        """At once. Where the resource `fails_at` is among its changes, all goes back."""
        verb = "UPDATE" if self.filled else "CREATE"
        self.change_sets.clear()
        self.tell(f"{verb}_IN_PROGRESS")
        for change in change_set.changes:
            if change["LogicalResourceId"] == fails_at:
                self.tell(f"{verb}_FAILED", change, "The sandbox was told to fail here")
                rolled_back = "UPDATE_ROLLBACK" if self.filled else "ROLLBACK"
                self.tell(f"{rolled_back}_IN_PROGRESS")
                return self.tell(f"{rolled_back}_COMPLETE")
            self.tell(_DONE[change["Action"]], change)
        self.filled = change_set.filled
        self.tell(f"{verb}_COMPLETE")

    def tell(self, status: str, change: Mapping[str, str] | None = None, reason: str = "") -> None:
        """Write down what happened to a resource, or to the stack itself, which then is so."""
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
    """The changes. Of a modified one nothing is said about a replacement."""

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
