"""Reads the text of a CloudFormation template."""

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Knows the short forms of CloudFormation's functions, as in `!Sub x`."""


def parse(body: str) -> dict[str, Any]:
    """Return the template with its functions in their long form, as in `{"Fn::Sub": "x"}`."""
    template: dict[str, Any] = _Loader(body).get_single_data()
    return template


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
