from typing import Any

import pytest

from apps.core import conf
from apps.core.states import Channel, Priority


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("qa@rssystems.com", True),
        ("QA@RSSystems.com", True),
        ("anyone@test.example", True),
        ("anyone@eviltest.example", False),
        ("anyone@test.example.evil.com", False),
        ("+12025550123", True),
        ("+12025550124", False),
        ("", False),
    ],
)
def test_staging_reaches_its_list_only(settings: Any, address: str, reached: bool) -> None:
    settings.ENVIRONMENT = "staging"
    settings.STAGING_ALLOWED_RECIPIENTS = ["qa@rssystems.com", "@test.example", "+12025550123"]
    assert conf.may_reach(address) is reached


def test_production_reaches_everybody(settings: Any) -> None:
    settings.ENVIRONMENT = "production"
    assert conf.may_reach("anyone@anywhere.example")


@pytest.mark.parametrize(
    ("channel", "priority", "resent"),
    [
        (Channel.EMAIL, Priority.LOW, True),
        (Channel.EMAIL, Priority.URGENT, True),
        (Channel.SMS, Priority.URGENT, True),
        (Channel.SMS, Priority.HIGH, False),
    ],
)
def test_the_default_policy_resends_email_and_urgent_texts(
    channel: Channel, priority: Priority, resent: bool
) -> None:
    assert conf.resends_unknown(channel, priority) is resent
