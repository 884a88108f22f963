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
        ("stranger@x.example,qa@test.example", False),
        ("<stranger@x.example>@test.example", False),
        ("", False),
    ],
)
def test_staging_reaches_its_list_only(settings: Any, address: str, reached: bool) -> None:
    settings.ENVIRONMENT = "staging"
    settings.STAGING_ALLOWED_RECIPIENTS = ["qa@rssystems.com", "@test.example", "+12025550123"]
    assert conf.may_reach(address) is reached


def test_an_empty_entry_in_the_list_allows_no_one(settings: Any) -> None:
    settings.ENVIRONMENT = "staging"
    settings.STAGING_ALLOWED_RECIPIENTS = ["qa@rssystems.com", "", "@"]
    assert not any(map(conf.may_reach, ["+12025550124", "stranger@x.example", "stranger@"]))


def test_production_reaches_everyone(settings: Any) -> None:
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


@pytest.mark.parametrize(
    ("channel", "priority", "seconds"),
    [
        (Channel.EMAIL, Priority.LOW, 600),
        (Channel.SMS, Priority.HIGH, 300),
        (Channel.SMS, Priority.URGENT, 60),
    ],
)
def test_the_most_specific_deadline_counts(
    settings: Any, channel: Channel, priority: Priority, seconds: int
) -> None:
    settings.UNKNOWN_DEADLINE_S = {"": 600, "sms": 300, "sms:urgent": 60}
    assert conf.unknown_deadline(channel, priority).total_seconds() == seconds
