"""CloudFormation stacks, read and changed by a real boto3 client."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.testing import RunningSandbox
from tests.support.clients import aws

TEMPLATE = """
Parameters:
  Name: {Type: String, Default: events}
  WithQueue: {Type: String, Default: "false"}
Conditions:
  HasQueue: !Not [!Equals [!Ref WithQueue, "false"]]
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: !Sub "rs-${Name}-${AWS::Region}"}
  Queue:
    Type: AWS::SQS::Queue
    Condition: HasQueue
Outputs:
  Topic: {Description: "TOPIC: the topic", Value: !Ref Topic}
  Queue: {Condition: HasQueue, Value: !GetAtt Queue.Arn}
"""


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[Any]:
    sandbox.reset_account()
    yield aws(sandbox, "cloudformation")
    sandbox.reset_account()


def change_set(client: Any, kind: str, **parameters: str) -> Any:
    """Create a change set and describe it."""
    made = client.create_change_set(
        StackName="rs",
        ChangeSetName="a",
        ChangeSetType=kind,
        TemplateBody=TEMPLATE,
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    )
    return client.describe_change_set(ChangeSetName=made["Id"])


def changes(described: Any) -> list[tuple[str, str]]:
    found = [each["ResourceChange"] for each in described["Changes"]]
    return [(each["Action"], each["LogicalResourceId"]) for each in found]


def status(client: Any) -> str:
    return str(client.describe_stacks(StackName="rs")["Stacks"][0]["StackStatus"])


def refusal(error: "pytest.ExceptionInfo[ClientError]") -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_change_set_makes_a_stack_without_resources(client: Any) -> None:
    described = change_set(client, "CREATE")
    assert changes(described) == [("Add", "Topic")]
    assert status(client) == "REVIEW_IN_PROGRESS"
    assert client.list_stack_resources(StackName="rs")["StackResourceSummaries"] == []
    assert len(client.list_change_sets(StackName="rs")["Summaries"]) == 1
    client.delete_change_set(ChangeSetName=described["ChangeSetId"])
    assert client.list_change_sets(StackName="rs")["Summaries"] == []
    with pytest.raises(ClientError) as error:
        client.describe_change_set(ChangeSetName=described["ChangeSetId"])
    assert refusal(error) == "ChangeSetNotFound"


def test_an_executed_change_set_has_events_and_outputs(client: Any) -> None:
    client.execute_change_set(ChangeSetName=change_set(client, "CREATE")["ChangeSetId"])
    events = client.describe_stack_events(StackName="rs")["StackEvents"]
    assert [(each["LogicalResourceId"], each["ResourceStatus"]) for each in events] == [
        ("rs", "CREATE_COMPLETE"),
        ("Topic", "CREATE_COMPLETE"),
        ("rs", "CREATE_IN_PROGRESS"),
        ("rs", "REVIEW_IN_PROGRESS"),
    ]
    [stack] = client.describe_stacks(StackName="rs")["Stacks"]
    assert stack["Outputs"] == [
        {
            "OutputKey": "Topic",
            "Description": "TOPIC: the topic",
            "OutputValue": "arn:aws:sns:us-east-1:000000000000:rs-events-us-east-1",
        }
    ]
    [resource] = client.list_stack_resources(StackName="rs")["StackResourceSummaries"]
    assert resource["LogicalResourceId"] == "Topic"


def test_an_update_without_changes_is_a_failed_change_set(
    client: Any,
) -> None:
    client.execute_change_set(ChangeSetName=change_set(client, "CREATE")["ChangeSetId"])
    unchanged = change_set(client, "UPDATE")
    assert unchanged["Status"] == "FAILED"
    assert "didn't contain changes" in unchanged["StatusReason"]
    changed = change_set(client, "UPDATE", Name="other", WithQueue="true")
    assert changes(changed) == [("Add", "Queue"), ("Modify", "Topic")]
    client.execute_change_set(ChangeSetName=changed["ChangeSetId"])
    assert status(client) == "UPDATE_COMPLETE"
    assert changes(change_set(client, "UPDATE")) == [("Modify", "Topic"), ("Remove", "Queue")]


def test_a_stack_can_be_told_to_fail(client: Any, sandbox: RunningSandbox) -> None:
    sandbox.account(stack_fails_at="Topic")
    client.execute_change_set(ChangeSetName=change_set(client, "CREATE")["ChangeSetId"])
    assert status(client) == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError) as error:
        change_set(client, "CREATE")
    assert refusal(error) == "ValidationError"


def test_a_deleted_stack_is_found_by_its_id_only(client: Any) -> None:
    stack = change_set(client, "CREATE")["StackId"]
    client.delete_stack(StackName=stack)
    [deleted] = client.describe_stacks(StackName=stack)["Stacks"]
    assert deleted["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="Stack with id rs does not exist"):
        client.describe_stacks(StackName="rs")
    with pytest.raises(ClientError, match=r"Stack \[rs\] does not exist"):
        change_set(client, "UPDATE")


def test_an_action_can_be_denied(client: Any, sandbox: RunningSandbox) -> None:
    sandbox.account(denied=["cloudformation:DescribeStacks"])
    with pytest.raises(ClientError, match="perform: cloudformation:DescribeStacks") as error:
        client.describe_stacks()
    assert refusal(error) == "AccessDenied"
