"""Where the stack's parameters come from, and what is refused before AWS is asked anything."""

from pathlib import Path
from typing import Any

import pytest

from apps.aws.account import Stopped
from apps.aws.stack import parameters, template
from apps.aws.stack.parameters import Value

TOPIC = "arn:aws:sns:us-east-1:000000000000:rs-systems-development-ses-events"


def given(*options: str) -> dict[str, Value]:
    return parameters.of_options(list(options))


def test_the_settings_know_most_of_them(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "Notify@Example.com"
    settings.SMS_MONTHLY_SPEND_LIMIT_USD = settings.SMS_MONTHLY_SPEND_LIMIT_USD * 10
    values = parameters.of_settings("us-east-1")
    assert {name: value.text for name, value in values.items()} == {
        "Environment": "development",
        "AdminEmail": "admin@rssystems.com",
        "DomainName": "example.com",
        "FromAddress": "Notify@example.com",
        "ConfigurationSetName": "rs-systems-notifications",
        "SmsMonthlySpendLimitUsd": "500",
    }
    parameters.check(values)


@pytest.mark.parametrize(
    ("site", "topic", "queue", "host"),
    [
        ("https://app.example.com", TOPIC, "", "app.example.com"),
        ("http://app.example.com", TOPIC, "", None),
        ("https://app.example.com", TOPIC.replace("us-east-1", "eu-west-1"), "", None),
        ("https://app.example.com", TOPIC.replace("development", "staging"), "", None),
        ("https://app.example.com", TOPIC, "https://sqs.example/1/events", None),
    ],
)
def test_the_webhook_is_wanted_if_the_topic_is_trusted_and_no_queue_read(
    settings: Any, site: str, topic: str, queue: str, host: str | None
) -> None:
    settings.SITE_URL, settings.AWS_EVENT_TOPIC_ARNS = site, [topic]
    settings.AWS_SES_EVENT_QUEUE_URL = queue
    found = parameters.of_settings("us-east-1").get("WebhookHost")
    assert (found.text if found else None) == host


def test_a_value_may_have_an_equals_sign_or_be_empty() -> None:
    values = given("A=b=c", "WebhookHost=")
    assert {name: value.text for name, value in values.items()} == {"A": "b=c", "WebhookHost": ""}


def test_a_parameter_without_a_value_is_refused() -> None:
    with pytest.raises(Stopped, match="--parameter VpcId has no value"):
        given("VpcId")


def test_an_unknown_parameter_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(Stopped, match="no parameter VpcID") as stopped:
        parameters.check(given("VpcID=vpc-0123456789abcdef0"))
    assert "VpcId" in stopped.value.finding.do


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("CreateCache=yes", "CreateCache must be one of true, false, and --parameter says 'yes'"),
        ("VpcId=vpc-1", "VpcId must be the id of a VPC"),
        ("CacheNodes=1", "CacheNodes must be at least 2"),
        ("CacheNodes=7", "CacheNodes must be at most 6"),
        ("BounceRate=much", "BounceRate must be a number"),
        ("BounceRate=NaN", "BounceRate must be a number"),
        ("LogKmsKeyArn=alias/logs", "LogKmsKeyArn must be the ARN of a KMS key, or empty"),
        ("LogRetentionDays=91", "LogRetentionDays must be one of 7,"),
    ],
)
def test_a_value_that_the_template_would_refuse_is_refused(value: str, words: str) -> None:
    with pytest.raises(Stopped) as stopped:
        parameters.check(given(value))
    assert words in stopped.value.finding.found


def test_every_default_is_allowed() -> None:
    declared = template.parameters().values()
    assert {each.name: each.objection(each.default or "") for each in declared} == {
        each.name: "" for each in declared
    }


def test_the_cache_is_not_made_without_its_network() -> None:
    with pytest.raises(Stopped) as stopped:
        parameters.check_complete(given("VpcId=vpc-0123456789abcdef0"), {})
    finding = stopped.value.finding
    assert finding.found == (
        "CreateCache is true, and CacheSubnetIds, ApplicationSecurityGroupId are not given"
    )
    assert "--parameter CreateCache=false" in finding.do


def test_what_the_stack_has_already_need_not_be_given_again() -> None:
    parameters.check_complete({}, {"CreateCache": "false"})
    previous = {"VpcId": "vpc-1", "CacheSubnetIds": "a,b", "ApplicationSecurityGroupId": "sg-1"}
    parameters.check_complete({}, previous)
    with pytest.raises(Stopped, match="VpcId is not given"):
        parameters.check_complete(given("VpcId="), previous)


def test_the_network_that_is_asked_for_is_the_one_of_the_template_s_rule() -> None:
    rule = template.load()["Rules"]["CacheNeedsItsNetwork"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": parameters.CACHE}, "true"]}
    asserted = [each["Assert"]["Fn::Not"][0]["Fn::Equals"][0] for each in rule["Assertions"]]
    assert asserted == [{"Ref": name} for name in parameters.CACHE_NETWORK]


@pytest.mark.parametrize("text", ["", "[]", '{"VpcId": null}', '{"VpcId": ["a"]}', "VpcId=x"])
def test_a_file_that_is_no_object_of_values_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(text)
    with pytest.raises(Stopped, match=r"parameters\.json"):
        parameters.of_file(str(file))


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(Stopped, match="/nowhere cannot be read"):
        parameters.of_file("/nowhere")
