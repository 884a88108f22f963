"""Reads a CloudFormation template and fills in its parameters."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from sandbox.arns import ACCOUNT_ID, REGION

_PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::NoValue": "",
}
_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")

#: By logical ID: a resource's type, and its properties as JSON with the parameters filled in.
Resources = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Filled:
    """A template with values for its parameters.

    References to resources become made-up names, conditions are evaluated, and functions other
    than Ref, GetAtt, Sub, Equals and Not stay as they are.
    """

    template: dict[str, Any]
    parameters: dict[str, str]

    @classmethod
    def read(cls, body: str, given: Mapping[str, str]) -> "Filled":
        """Parse a template; its defaults stand for parameters that are not given."""
        template: dict[str, Any] = _Loader(body).get_single_data()
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
                return _PLACEHOLDER.sub(lambda found: self._named(found[1]), text)
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
        """Return the name that the template gives a resource, such as its `TopicName`."""
        named = (value for key, value in properties.items() if key.endswith("Name"))
        return str(self._value(next(named, "")))


class _Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions, such as `!Sub x`, as the long ones."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt":
        value = value.split(".", maxsplit=1)
    return {name if name == "Ref" else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)
