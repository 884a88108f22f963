"""The headers that SES removes from a message and repeats in its events."""

from collections.abc import Mapping
from email.message import Message
from typing import Any

from django.conf import settings

TAGS = "X-SES-MESSAGE-TAGS"
CONFIGURATION_SET = "X-SES-CONFIGURATION-SET"


def write(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the headers for these tags and for the configuration set."""
    headers = {
        TAGS: ", ".join(f"{name}={value}" for name, value in tags.items()),
        CONFIGURATION_SET: settings.AWS_SES_CONFIGURATION_SET,
    }
    return {name: value for name, value in headers.items() if value}


def take_out(mime: Message) -> dict[str, str]:
    """Remove the headers from a message and return them."""
    found = {name: str(mime[name]) for name in (TAGS, CONFIGURATION_SET) if mime[name]}
    del mime[TAGS], mime[CONFIGURATION_SET]
    return found


def as_parameters(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return their content as parameters of `SendEmail`."""
    pairs = [pair.split("=") for pair in headers.get(TAGS, "").split(", ") if pair]
    parameters = {
        "EmailTags": [{"Name": name, "Value": value} for name, value in pairs],
        "ConfigurationSetName": headers.get(CONFIGURATION_SET),
    }
    return {name: value for name, value in parameters.items() if value}
