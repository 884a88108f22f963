"""Reads the CloudFormation template of deploy/."""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).resolve().parents[3] / "deploy" / "cloudformation" / "notifications.yaml"


class _Loader(yaml.SafeLoader):
    """Knows the short forms of CloudFormation's functions."""


@dataclass(frozen=True)
class Parameter:
    """One parameter as the template declares it."""

    name: str
    declared: dict[str, Any]

    @property
    def default(self) -> str | None:
        return str(self.declared["Default"]) if "Default" in self.declared else None

    def objection(self, value: str) -> str:
        """Say why CloudFormation would refuse the value; empty if it would not."""
        allowed = [str(each) for each in self.declared.get("AllowedValues", [])]
        if allowed and value not in allowed:
            return f"must be one of {', '.join(allowed)}"
        if self.declared["Type"] == "Number":
            return self._objection_to_number(value)
        if not re.fullmatch(self.declared.get("AllowedPattern", ".*"), value):
            return f"must be {self.declared['ConstraintDescription']}"
        return ""

    def _objection_to_number(self, value: str) -> str:
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            return "must be a number"
        least, most = self.declared.get("MinValue"), self.declared.get("MaxValue")
        if least is not None and number < Decimal(str(least)):
            return f"must be at least {least}"
        if most is not None and number > Decimal(str(most)):
            return f"must be at most {most}"
        return ""


def body() -> str:
    """Return the template's text."""
    return PATH.read_text()


def load() -> dict[str, Any]:
    return parse(body())


def parse(text: str) -> dict[str, Any]:
    """Parse a template, its functions in their long form: `!Sub x` is `{"Fn::Sub": "x"}`."""
    template: dict[str, Any] = _Loader(text).get_single_data()
    return template


@cache
def parameters() -> dict[str, Parameter]:
    """Return the template's parameters by name."""
    return {name: Parameter(name, declared) for name, declared in load()["Parameters"].items()}


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value = _argument(loader, node)
    if name == "GetAtt":
        value = value.split(".", maxsplit=1)
    return {name if name == "Ref" else f"Fn::{name}": value}


def _argument(loader: _Loader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    mapping: dict[Hashable, Any] = loader.construct_mapping(node, deep=True)
    return mapping


_Loader.add_multi_constructor("!", _function)
