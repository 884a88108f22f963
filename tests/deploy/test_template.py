"""The CloudFormation template: the alarms of the specification's table, and what must not slip."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from apps.aws.stack import template
from rs_systems.variables import VARIABLES
from tools.supervisor import ROOT

TEMPLATE = template.load()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
OUR_NAMESPACE = "RSSystems/Notifications"
GREATER, LESS = "GreaterThanThreshold", "LessThanThreshold"


@dataclass(frozen=True)
class Alarm:
    """What an alarm must look at, and when it must ring."""

    name: str
    metrics: tuple[str, ...]
    comparison: str
    threshold: float
    missing: str
    expression: str = ""


#: First the specification's nine, in its order, then ours.
ALARMS = [
    Alarm("BounceRate", ("AWS/SES Reputation.BounceRate",), GREATER, 0.05, "ignore"),
    Alarm("ComplaintRate", ("AWS/SES Reputation.ComplaintRate",), GREATER, 0.001, "ignore"),
    Alarm(
        "DailyEmailQuota",
        ("AWS/SES Send",),
        GREATER,
        80,
        "notBreaching",
        "100 * sent / ${DailyEmailQuota}",
    ),
    Alarm(
        "SmsSpend",
        ("AWS/SNS SMSMonthToDateSpentUSD",),
        "GreaterThanOrEqualToThreshold",
        80,
        "ignore",
        "100 * spent / ${SmsMonthlySpendLimitUsd}",
    ),
    Alarm(
        "SmsFailureRate",
        ("AWS/SNS NumberOfNotificationsFailed", "AWS/SNS NumberOfNotificationsDelivered"),
        GREATER,
        5,
        "notBreaching",
        "IF(FILL(failed, 0) >= ${FailuresAtLeast}, "
        "100 * FILL(failed, 0) / (FILL(failed, 0) + FILL(delivered, 0)), 0)",
    ),
    Alarm(
        "SmsVolume",
        ("AWS/SNS NumberOfNotificationsFailed", "AWS/SNS NumberOfNotificationsDelivered"),
        GREATER,
        500,
        "notBreaching",
        "FILL(failed, 0) + FILL(delivered, 0)",
    ),
    Alarm("WorkerOffline", (f"{OUR_NAMESPACE} WorkersOnline",), LESS, 1, "breaching"),
    Alarm(
        "AttemptFailureRate",
        (f"{OUR_NAMESPACE} AttemptsFailed", f"{OUR_NAMESPACE} AttemptsEnded"),
        GREATER,
        10,
        "notBreaching",
        "IF(failed >= ${FailuresAtLeast}, 100 * failed / ended, 0)",
    ),
    Alarm("QueueDepth", (f"{OUR_NAMESPACE} QueueDepth",), GREATER, 1000, "notBreaching"),
    Alarm("Heartbeat", (f"{OUR_NAMESPACE} Heartbeat",), LESS, 1, "breaching"),
    Alarm("EventAge", ("AWS/SQS ApproximateAgeOfOldestMessage",), GREATER, 900, "notBreaching"),
    Alarm(
        "EventDeadLetters",
        ("AWS/SQS ApproximateNumberOfMessagesVisible",),
        GREATER,
        0,
        "notBreaching",
    ),
    Alarm(
        "CacheMemory",
        ("AWS/ElastiCache DatabaseMemoryUsagePercentage",) * 2,
        GREATER,
        80,
        "breaching",
        "MAX([node1, node2])",
    ),
    Alarm(
        "CacheEvictions",
        ("AWS/ElastiCache Evictions",) * 2,
        GREATER,
        0,
        "notBreaching",
        "SUM([node1, node2])",
    ),
]


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: each["Properties"]
        for name, each in RESOURCES.items()
        if each["Type"] == f"AWS::{kind}"
    }


def default(value: Any) -> Any:
    """Return a value; of a parameter, its default."""
    if isinstance(value, dict):
        return TEMPLATE["Parameters"][value["Ref"]]["Default"]
    return value


def the_metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics that an alarm reads, those of its expression included."""
    if "Metrics" not in alarm:
        return [alarm]
    return [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]


def the_expression(alarm: dict[str, Any]) -> str:
    """Return the expression of an alarm as the template has it, or an empty text."""
    found = [each["Expression"] for each in alarm.get("Metrics", []) if each["ReturnData"]]
    return "".join(each["Fn::Sub"] if isinstance(each, dict) else each for each in found)


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_rings_when_it_should(alarm: Alarm) -> None:
    made = properties(f"{alarm.name}Alarm")
    metrics = tuple(f"{each['Namespace']} {each['MetricName']}" for each in the_metrics(made))
    assert metrics == alarm.metrics
    assert the_expression(made) == alarm.expression
    assert made["ComparisonOperator"] == alarm.comparison
    assert float(default(made["Threshold"])) == alarm.threshold
    assert made["TreatMissingData"] == alarm.missing


#: The template's thresholds, and the variables that give our own alarms the same.
SHARED = {
    "BounceRate": "ALARM_BOUNCE_SHARE",
    "ComplaintRate": "ALARM_COMPLAINT_SHARE",
    "DailyEmailQuotaPercent": "ALARM_QUOTA_PERCENT",
    "SmsMonthlySpendLimitUsd": "SMS_MONTHLY_SPEND_LIMIT_USD",
    "SmsSpendPercent": "ALARM_SMS_SPEND_PERCENT",
    "SmsFailurePercent": "ALARM_SMS_FAILURE_PERCENT",
    "SmsPerHour": "ALARM_SMS_PER_HOUR",
    "WorkersExpected": "ALARM_WORKERS_EXPECTED",
    "AttemptFailurePercent": "ALARM_ATTEMPT_FAILURE_PERCENT",
    "FailuresAtLeast": "ALARM_FAILURES_AT_LEAST",
    "QueueDepth": "ALARM_QUEUE_DEPTH",
}


@pytest.mark.parametrize(("parameter", "variable"), SHARED.items())
def test_cloudwatch_and_our_own_alarms_have_the_same_thresholds(
    parameter: str, variable: str
) -> None:
    defaults = {each.name: each.default_in("production") for each in VARIABLES}
    assert float(TEMPLATE["Parameters"][parameter]["Default"]) == float(defaults[variable])


def test_there_is_no_alarm_that_the_table_does_not_know() -> None:
    assert set(of_type("CloudWatch::Alarm")) == {f"{alarm.name}Alarm" for alarm in ALARMS}


@pytest.mark.parametrize("name", of_type("CloudWatch::Alarm"))
def test_an_alarm_tells_the_administrator_when_it_begins_and_when_it_ends(name: str) -> None:
    alarm = properties(name)
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
    subscription = properties("AlarmSubscription")
    assert subscription["TopicArn"] == {"Ref": "AlarmTopic"}
    assert (subscription["Protocol"], default(subscription["Endpoint"])) == (
        "email",
        "admin@rssystems.com",
    )


def test_an_alarm_with_the_application_s_metrics_looks_at_this_environment() -> None:
    ours = [
        metric
        for alarm in of_type("CloudWatch::Alarm").values()
        for metric in the_metrics(alarm)
        if metric["Namespace"] == OUR_NAMESPACE
    ]
    assert len(ours) == 5
    assert all(
        metric["Dimensions"] == [{"Name": "Environment", "Value": {"Ref": "Environment"}}]
        for metric in ours
    )


def test_every_metric_of_our_own_is_documented() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    for alarm in of_type("CloudWatch::Alarm").values():
        for metric in the_metrics(alarm):
            if metric["Namespace"] == OUR_NAMESPACE:
                assert f"| `{metric['MetricName']}` |" in text


def test_the_text_messages_that_are_counted_are_those_to_phone_numbers() -> None:
    to_phones = [{"Name": "PhoneNumber", "Value": "PhoneNumberDirect"}]
    for name in ("SmsFailureRateAlarm", "SmsVolumeAlarm"):
        assert all(each["Dimensions"] == to_phones for each in the_metrics(properties(name)))


# --- Policies -----------------------------------------------------------------------------------

#: All that the application may do, and SNS for the log of deliveries.
ACTIONS = {
    "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricData",
    "iam:GetAccessKeyLastUsed",
    "iam:ListAccessKeys",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogStreams",
    "logs:FilterLogEvents",
    "logs:PutLogEvents",
    "logs:PutMetricFilter",
    "logs:PutRetentionPolicy",
    "secretsmanager:GetSecretValue",
    "ses:DeleteSuppressedDestination",
    "ses:GetAccount",
    "ses:GetConfigurationSet",
    "ses:GetConfigurationSetEventDestinations",
    "ses:GetEmailIdentity",
    "ses:GetSendQuota",
    "ses:GetSendStatistics",
    "ses:ListSuppressedDestinations",
    "ses:SendEmail",
    "ses:SendRawEmail",
    "sns:CheckIfPhoneNumberIsOptedOut",
    "sns:ConfirmSubscription",
    "sns:GetSMSAttributes",
    "sns:GetSMSSandboxAccountStatus",
    "sns:GetSubscriptionAttributes",
    "sns:GetTopicAttributes",
    "sns:ListPhoneNumbersOptedOut",
    "sns:ListSubscriptionsByTopic",
    "sns:OptInPhoneNumber",
    "sns:Publish",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
}
#: The statements that name every resource, and why.
EVERY_RESOURCE = {
    "LookAfterOptOuts": "a phone number has no ARN, and these calls no resource",
    "LookAfterSuppressedAddresses": "the list is the account's; these calls have no resource",
    "ReadQuotasAndStanding": "they are the account's; these calls have no resource",
    "PublishOurMetrics": "PutMetricData has no resource; the condition names the namespace",
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements() -> Iterator[dict[str, Any]]:
    """Yield every statement that gives the application or SNS a right."""
    for policy in of_type("IAM::ManagedPolicy").values():
        yield from policy["PolicyDocument"]["Statement"]
    for role in of_type("IAM::Role").values():
        for policy in role.get("Policies", []):
            yield from policy["PolicyDocument"]["Statement"]


def statement(sid: str) -> dict[str, Any]:
    [found] = [each for each in statements() if each["Sid"] == sid]
    return found


def test_the_policies_allow_what_the_list_has_and_nothing_else() -> None:
    assert {action for each in statements() for action in as_list(each["Action"])} == ACTIONS
    assert {each["Effect"] for each in statements()} == {"Allow"}


def test_a_statement_for_every_resource_has_a_reason() -> None:
    everywhere = {each["Sid"] for each in statements() if "*" in as_list(each.get("Resource"))}
    assert everywhere == set(EVERY_RESOURCE)


def test_e_mail_is_sent_from_our_address_alone() -> None:
    sending = statement("SendFromOurAddress")
    assert sending["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "FromAddress"}}}
    assert [each["Fn::Sub"].rpartition(":")[2] for each in sending["Resource"]] == [
        "identity/${DomainName}",
        "identity/${FromAddress}",
        "configuration-set/${ConfigurationSetName}",
    ]


def test_text_messages_go_to_phone_numbers_and_to_no_topic() -> None:
    publishing = statement("PublishToPhoneNumbers")
    assert publishing["NotResource"] == {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:*"}


def test_metrics_are_published_in_our_namespace_alone() -> None:
    assert statement("PublishOurMetrics")["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": OUR_NAMESPACE}
    }


def test_every_policy_is_the_role_s() -> None:
    attached = [each["Ref"] for each in properties("ApplicationRole")["ManagedPolicyArns"]]
    assert sorted(attached) == sorted(of_type("IAM::ManagedPolicy"))


# --- The events ---------------------------------------------------------------------------------


def test_ses_publishes_each_kind_of_event_that_we_know() -> None:
    destination = properties("EventDestination")["EventDestination"]
    assert destination["Enabled"] is True
    assert set(destination["MatchingEventTypes"]) == {
        "send",
        "delivery",
        "bounce",
        "complaint",
        "reject",
        "deliveryDelay",
        "renderingFailure",
    }


def test_the_events_keep_their_signature_on_the_way() -> None:
    assert properties("EventTopic")["SignatureVersion"] == "2"
    for name in ("EventQueueSubscription", "WebhookSubscription"):
        assert properties(name)["RawMessageDelivery"] is False


def test_only_our_configuration_set_may_publish_events() -> None:
    [only] = properties("EventTopicPolicy")["PolicyDocument"]["Statement"]
    assert only["Principal"] == {"Service": "ses.amazonaws.com"}
    assert set(only["Condition"]["StringEquals"]) == {"AWS:SourceAccount", "AWS:SourceArn"}


@pytest.mark.parametrize("queue", ["EventQueue", "EventDeadLetters"])
def test_only_our_topic_may_send_to_a_queue(queue: str) -> None:
    [only] = properties(f"{queue}Policy")["PolicyDocument"]["Statement"]
    assert only["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "EventTopic"}}}
    assert properties(queue)["SqsManagedSseEnabled"] is True


def test_an_event_that_is_read_in_vain_is_kept() -> None:
    dead = {"Fn::GetAtt": ["EventDeadLetters", "Arn"]}
    assert properties("EventQueue")["RedrivePolicy"]["deadLetterTargetArn"] == dead
    for name in ("EventQueueSubscription", "WebhookSubscription"):
        assert properties(name)["RedrivePolicy"]["deadLetterTargetArn"] == dead


def test_the_webhook_is_where_the_site_has_it() -> None:
    endpoint = properties("WebhookSubscription")["Endpoint"]["Fn::Sub"]
    urls = (ROOT / "rs_systems" / "urls.py").read_text()
    assert endpoint == "https://${WebhookHost}/webhooks/aws/sns"
    assert 'path("webhooks/aws/sns"' in urls


def test_the_webhook_s_retries_stay_under_the_hour_that_sns_allows() -> None:
    policy = properties("WebhookSubscription")["DeliveryPolicy"]["healthyRetryPolicy"]
    assert policy["numRetries"] * policy["maxDelayTarget"] <= 3600


# --- The rest -----------------------------------------------------------------------------------


def test_redis_is_full_rather_than_forgetful_and_encrypted() -> None:
    assert properties("CacheParameters")["Properties"] == {"maxmemory-policy": "noeviction"}
    cache = properties("Cache")
    assert cache["CacheParameterGroupName"] == {"Ref": "CacheParameters"}
    assert cache["TransitEncryptionEnabled"] is True
    assert cache["TransitEncryptionMode"] == "required"
    assert cache["AtRestEncryptionEnabled"] is True
    assert cache["AutomaticFailoverEnabled"] is True
    assert default(cache["NumCacheClusters"]) == 2
    assert default(cache["CacheNodeType"]) == "cache.t3.micro"


def test_redis_has_a_password_that_only_secrets_show() -> None:
    token = "{{resolve:secretsmanager:${CacheToken}:SecretString:token}}"
    assert properties("Cache")["AuthToken"] == {"Fn::Sub": token}
    made = properties("CacheToken")["GenerateSecretString"]
    assert made["PasswordLength"] >= 16
    # ElastiCache refuses `@`, `"` and `/` in it.
    assert made["ExcludePunctuation"] is True
    url = properties("CacheUrl")["SecretString"]["Fn::Sub"]
    assert url.startswith(f"rediss://:{token}@${{Cache.PrimaryEndPoint.Address}}:")
    assert "CacheToken" not in str(TEMPLATE["Outputs"])


def test_the_logs_with_phone_numbers_are_kept_shortly_and_may_have_a_key() -> None:
    for name in ("SmsLogGroup", "SmsFailureLogGroup"):
        group = properties(name)
        assert group["RetentionInDays"] == {"Ref": "SmsLogRetentionDays"}
        assert 5 <= default(group["RetentionInDays"]) <= 14
    for name, group in of_type("Logs::LogGroup").items():
        key = {"Fn::If": ["WithLogKey", {"Ref": "LogKmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
        assert group["KmsKeyId"] == key, name


def test_redis_is_reached_from_the_application_alone() -> None:
    [only] = properties("CacheSecurityGroup")["SecurityGroupIngress"]
    assert only["SourceSecurityGroupId"] == {"Ref": "ApplicationSecurityGroupId"}
    assert (only["FromPort"], only["ToPort"]) == (6379, 6379)


def test_everything_of_redis_is_left_out_if_it_is_not_wanted() -> None:
    of_redis = {name for name in RESOURCES if name.startswith("Cache")}
    assert {
        name for name in of_redis if RESOURCES[name].get("Condition") == "WithCache"
    } == of_redis


def test_the_secret_outlives_the_stack() -> None:
    assert RESOURCES["Secret"]["DeletionPolicy"].startswith("Retain")
    assert RESOURCES["Secret"]["UpdateReplacePolicy"] == "Retain"


def test_a_name_of_ours_has_its_environment() -> None:
    once_for_each_account = {"ConfigurationSet", "SmsLogGroup", "SmsFailureLogGroup"}
    for name, resource in RESOURCES.items():
        for key, value in resource["Properties"].items():
            if key.endswith("Name") and "Fn::Sub" in value and name not in once_for_each_account:
                assert "${Environment}" in value["Fn::Sub"], f"{name}.{key}"


def test_a_tag_says_the_environment() -> None:
    tag = {"Key": "Environment", "Value": {"Ref": "Environment"}}
    tagged = {name for name, each in RESOURCES.items() if "Tags" in each["Properties"]}
    assert len(tagged) > 15
    assert all(tag in properties(name)["Tags"] for name in tagged)


@pytest.mark.parametrize("name", TEMPLATE["Parameters"])
def test_a_parameter_says_what_it_is_and_has_a_default_and_bounds(name: str) -> None:
    parameter = TEMPLATE["Parameters"][name]
    assert parameter["Description"]
    assert "Default" in parameter
    assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter)


def test_every_parameter_stands_in_a_group() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [name for group in groups for name in group["Parameters"]] == list(
        TEMPLATE["Parameters"]
    )


#: Read by the settings; docs/configuration.md says so in a change of its own.
def test_an_output_names_the_variable_that_takes_it() -> None:
    documented = (ROOT / "docs" / "configuration.md").read_text()
    variables = {
        found[1]
        for output in TEMPLATE["Outputs"].values()
        if (found := re.match(r"([A-Z_]+): ", output["Description"]))
    }
    assert len(variables) == 12
    assert {name for name in variables if f"`{name}`" not in documented} == set()


def test_the_template_is_small_enough_to_deploy_without_a_bucket() -> None:
    assert template.PATH.stat().st_size <= 51_200
