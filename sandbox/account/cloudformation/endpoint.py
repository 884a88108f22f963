"""CloudFormation's API: stacks and their change sets."""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count, takewhile
from typing import Any
from xml.sax.saxutils import escape

from sandbox.account.cloudformation.stacks import EMPTY, ChangeSet, Stack
from sandbox.account.cloudformation.template import Filled
from sandbox.account.settings import AwsAccount
from sandbox.net.query_protocol import Action, CallRefused, Parameters, Queries
from sandbox.timestamps import iso

_NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)


class CloudFormation:
    """Answers boto3's `cloudformation` client."""

    def __init__(self, account: AwsAccount) -> None:
        self._account = account
        actions: Mapping[str, Callable[[Parameters], dict[str, Any]]] = {
            "DescribeStacks": self._describe,
            "DescribeStackEvents": self._events,
            "ListStackResources": self._resources,
            "ListChangeSets": self._change_sets,
            "CreateChangeSet": self._create,
            "DescribeChangeSet": self._change_set,
            "ExecuteChangeSet": self._execute,
            "DeleteChangeSet": self._delete_change_set,
            "DeleteStack": self._delete,
        }
        self.queries = Queries(
            "cloudformation",
            account.denies,
            {name: _answering_xml(action) for name, action in actions.items()},
        )

    def _describe(self, parameters: Parameters) -> dict[str, Any]:
        stack = self._stack(parameters)
        filled = stack.filled
        values = filled.parameters if filled else {}
        described = {
            "StackId": stack.id,
            "StackName": stack.name,
            "StackStatus": stack.status,
            "CreationTime": stack.made_at,
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value} for name, value in values.items()
            ],
            "Outputs": filled.outputs() if filled else [],
        }
        return {"Stacks": [described]}

    def _events(self, parameters: Parameters) -> dict[str, Any]:
        return {"StackEvents": self._stack(parameters).events[::-1]}

    def _resources(self, parameters: Parameters) -> dict[str, Any]:
        stack = self._stack(parameters)
        summaries = [
            {
                "LogicalResourceId": name,
                "ResourceType": type_,
                "ResourceStatus": "CREATE_COMPLETE",
                "LastUpdatedTimestamp": stack.made_at,
            }
            for name, (type_, _) in stack.resources.items()
        ]
        return {"StackResourceSummaries": summaries}

    def _change_sets(self, parameters: Parameters) -> dict[str, Any]:
        made = self._stack(parameters).change_sets.values()
        return {
            "Summaries": [{"ChangeSetId": each.id, "ChangeSetName": each.name} for each in made]
        }

    def _create(self, parameters: Parameters) -> dict[str, Any]:
        name, is_new = parameters["StackName"], parameters.get("ChangeSetType") == "CREATE"
        stack = self._found(name)
        if (stack is None or stack.status == EMPTY) is not is_new:
            exists = "does not exist" if stack is None else f"is {stack.status}"
            raise CallRefused("ValidationError", f"Stack [{name}] {exists}")
        if stack is None:
            stack = Stack.new(name)
            self._account.stacks[stack.id] = stack
        before = stack.filled.parameters if stack.filled else {}
        filled = Filled.read(parameters["TemplateBody"], _given(parameters, before))
        made = stack.add_change_set(parameters["ChangeSetName"], filled)
        return {"Id": made.id, "StackId": stack.id}

    def _change_set(self, parameters: Parameters) -> dict[str, Any]:
        stack, made = self._found_change_set(parameters)
        answer: dict[str, Any] = {
            "ChangeSetId": made.id,
            "StackId": stack.id,
            "Status": "CREATE_COMPLETE",
            "Changes": [{"Type": "Resource", "ResourceChange": each} for each in made.changes],
        }
        if stack.filled and made.is_empty_for(stack.filled):
            answer |= {"Status": "FAILED", "StatusReason": _NO_CHANGES}
        return answer

    def _execute(self, parameters: Parameters) -> dict[str, Any]:
        stack, made = self._found_change_set(parameters)
        stack.execute(made, self._account.now.stack_fails_at)
        return {}

    def _delete_change_set(self, parameters: Parameters) -> dict[str, Any]:
        stack, made = self._found_change_set(parameters)
        del stack.change_sets[made.id]
        return {}

    def _delete(self, parameters: Parameters) -> dict[str, Any]:
        self._stack(parameters).mark_deleted()
        return {}

    def _stack(self, parameters: Parameters) -> Stack:
        name = parameters.get("StackName", "")
        if (stack := self._found(name)) is None:
            raise CallRefused("ValidationError", f"Stack with id {name} does not exist")
        return stack

    def _found(self, name: str) -> Stack | None:
        if name in self._account.stacks:
            return self._account.stacks[name]
        named = (each for each in self._account.stacks.values() if each.name == name)
        return next((each for each in named if each.status != "DELETE_COMPLETE"), None)

    def _found_change_set(self, parameters: Parameters) -> tuple[Stack, ChangeSet]:
        wanted = parameters.get("ChangeSetName", "")
        for stack in self._account.stacks.values():
            if wanted in stack.change_sets:
                return stack, stack.change_sets[wanted]
        raise CallRefused("ChangeSetNotFound", f"ChangeSet [{wanted}] does not exist", 404)


def _given(parameters: Parameters, before: Mapping[str, str]) -> dict[str, str]:
    """Return the values that the call gives the template's parameters."""
    given: dict[str, str] = {}
    members = (f"Parameters.member.{number}." for number in count(1))
    for member in takewhile(lambda member: f"{member}ParameterKey" in parameters, members):
        name = parameters[f"{member}ParameterKey"]
        is_kept = parameters.get(f"{member}UsePreviousValue") == "true"
        given[name] = before[name] if is_kept else parameters.get(f"{member}ParameterValue", "")
    return given


def _answering_xml(action: Callable[[Parameters], dict[str, Any]]) -> Action:
    return lambda parameters: _xml(action(parameters))


def _xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_xml(each)}</{name}>" for name, each in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(each)}</member>" for each in value)
    return escape(iso(value) if isinstance(value, datetime) else str(value))
