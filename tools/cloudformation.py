"""The CloudFormation template, read."""

from collections.abc import Hashable
from typing import Any

import yaml

from tools.supervisor import ROOT

TEMPLATE = ROOT / "deploy" / "cloudformation" / "notifications.yaml"


class _Loader(yaml.SafeLoader):
    """Knows the short forms of CloudFormation's functions."""


def load() -> dict[str, Any]:
    """The template with its functions in their long form: `!Sub x` as `{"Fn::Sub": "x"}`."""
    template: dict[str, Any] = _Loader(TEMPLATE.read_text()).get_single_data()
    return template


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
