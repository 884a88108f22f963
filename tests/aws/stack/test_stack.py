"""What CloudFormation is asked and told, each call and answer as botocore's model has it."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.aws.account import Denied, Operator, Stopped
from apps.aws.stack import change_set, stack
from apps.aws.stack.change_set import ChangeSet
from apps.aws.stack.stack import Stack
from apps.core.audit.findings import Unseen
from tests.support.cloudformation import (
    CHANGE_SET_ID,
    EMPTY,
    NAME,
    REGION,
    STACK_ID,
    CloudFormation,
    change,
    event,
)

TAGS = {"Application": "rs-systems", "Environment": "development"}
TOPIC = change("Add", "EventTopic", "AWS::SNS::Topic")


@pytest.fixture
def ours() -> Stack:
    return Stack(Operator(), NAME, REGION)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def look(ours: Stack, told: list[str]) -> Callable[[], ChangeSet]:
    """Has a change set made, looked at and taken back."""

    def look_at() -> ChangeSet:
        with ours.change_set(ours.deployed(), "body", [], TAGS, told.append) as made:
            return made

    return look_at


@pytest.fixture
def execute(ours: Stack, told: list[str], cloud: CloudFormation) -> Callable[[], None]:
    """Executes a change set that is there, without looking at it."""
    made = ChangeSet(ours.operator, REGION, CHANGE_SET_ID, STACK_ID)
    return lambda: ours.execute(made, told.append)


def fails(status: str, cloud: CloudFormation) -> str:
    cloud.has_stack(status)
    ours = Stack(Operator(), NAME, REGION)
    with pytest.raises(Stopped) as stopped:
        ours.refuse_unless_free(ours.deployed())
    assert status in stopped.value.finding.found
    return stopped.value.finding.do


def test_a_change_set_of_a_new_stack_leaves_nothing_behind(
    cloud: CloudFormation, look: Callable[[], ChangeSet]
) -> None:
    cloud.has_no_stack()
    cloud.makes_change_set("CREATE")
    cloud.describes_change_set("CREATE_PENDING")
    cloud.describes_change_set("CREATE_IN_PROGRESS")
    cloud.describes_change_set("CREATE_COMPLETE", [TOPIC])
    cloud.deletes_change_set()
    cloud.deletes_the_empty_stack()
    [found] = look().changes
    assert (found.word, found.id, found.type) == ("Add", "EventTopic", "AWS::SNS::Topic")


def test_a_stack_that_only_ever_had_a_change_set_is_a_new_one(
    cloud: CloudFormation, ours: Stack
) -> None:
    cloud.has_stack("REVIEW_IN_PROGRESS")
    assert ours.deployed() is None


@pytest.mark.parametrize(
    ("status", "resources", "change_sets"),
    [
        ("CREATE_COMPLETE", None, None),
        ("REVIEW_IN_PROGRESS", ["EventTopic"], None),
        ("REVIEW_IN_PROGRESS", [], ["somebody-s"]),
    ],
)
def test_a_stack_that_holds_anything_is_never_deleted(
    cloud: CloudFormation,
    look: Callable[[], ChangeSet],
    calls: list[str],
    status: str,
    resources: list[str] | None,
    change_sets: list[str] | None,
) -> None:
    cloud.has_no_stack()
    cloud.makes_change_set()
    cloud.describes_change_set("CREATE_COMPLETE", [TOPIC])
    cloud.deletes_change_set()
    cloud.has_stack(status, STACK_ID)
    if resources is not None:
        summaries = [
            {
                "LogicalResourceId": name,
                "ResourceType": "AWS::SNS::Topic",
                "LastUpdatedTimestamp": event(0, "")["Timestamp"],
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for name in resources
        ]
        answer = {"StackResourceSummaries": summaries}
        cloud.expect("list_stack_resources", answer, StackName=STACK_ID)
    if change_sets is not None:
        named = {"Summaries": [{"ChangeSetName": name} for name in change_sets]}
        cloud.expect("list_change_sets", named, StackName=STACK_ID)
    look()
    assert "cloudformation:DeleteStack" not in calls


def test_the_changes_come_page_by_page(
    cloud: CloudFormation, look: Callable[[], ChangeSet]
) -> None:
    cloud.has_stack()
    cloud.makes_change_set("UPDATE")
    cloud.describes_change_set("CREATE_COMPLETE", [TOPIC], next_token="more")
    cloud.describes_change_set(
        "CREATE_COMPLETE", [change("Remove", "A", "AWS::SQS::Queue")], token="more"
    )
    cloud.takes_it_back()
    assert [each.id for each in look().changes] == ["EventTopic", "A"]


@pytest.mark.parametrize("reason", [EMPTY, "No updates are to be performed."])
def test_a_change_set_that_failed_for_want_of_changes_is_an_empty_one(
    cloud: CloudFormation, look: Callable[[], ChangeSet], reason: str
) -> None:
    cloud.has_stack()
    cloud.makes_change_set("UPDATE")
    cloud.describes_change_set("FAILED", reason=reason)
    cloud.takes_it_back()
    found = look()
    assert (found.is_empty, found.changes) == (True, [])


def test_a_change_of_no_resource_is_one_all_the_same(
    cloud: CloudFormation, look: Callable[[], ChangeSet]
) -> None:
    cloud.has_stack()
    cloud.makes_change_set("UPDATE")
    cloud.describes_change_set("CREATE_COMPLETE", [])
    cloud.takes_it_back()
    assert not look().is_empty


def test_a_change_set_that_failed_otherwise_is_told_and_taken_back(
    cloud: CloudFormation, look: Callable[[], ChangeSet]
) -> None:
    cloud.has_no_stack()
    cloud.makes_change_set()
    cloud.describes_change_set("FAILED", reason="Parameters: [VpcId] do not exist")
    cloud.deletes_change_set()
    cloud.deletes_the_empty_stack()
    with pytest.raises(Stopped, match=r"refuses the change: Parameters: \[VpcId\]"):
        look()


def test_a_change_set_that_cannot_be_deleted_is_named_beside_the_error(
    cloud: CloudFormation, look: Callable[[], ChangeSet], told: list[str]
) -> None:
    cloud.has_stack()
    cloud.makes_change_set("UPDATE")
    cloud.describes_change_set("FAILED", reason="Not this")
    cloud.refuse("delete_change_set", "AccessDenied", "No", 403)
    with pytest.raises(Stopped, match="Not this"):
        look()
    assert f"{CHANGE_SET_ID} is left behind" in told[-1]
    assert "needs cloudformation:DeleteChangeSet" in told[-1]


def test_ctrl_c_while_it_is_looked_at_takes_it_back(
    cloud: CloudFormation, ours: Stack, told: list[str]
) -> None:
    cloud.has_stack()
    cloud.makes_change_set("UPDATE")
    cloud.describes_change_set("CREATE_COMPLETE", [TOPIC])
    cloud.takes_it_back()
    with (
        pytest.raises(KeyboardInterrupt),
        ours.change_set(ours.deployed(), "body", [], TAGS, told.append),
    ):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("action", "type", "replacement", "policy", "word", "loses"),
    [
        ("Add", "AWS::SQS::Queue", "", "", "Add", False),
        ("Modify", "AWS::SQS::Queue", "False", "", "Modify", False),
        ("Modify", "AWS::SQS::Queue", "True", "ReplaceAndDelete", "Replace", True),
        ("Modify", "AWS::SQS::Queue", "Conditional", "", "May replace", True),
        ("Modify", "AWS::CloudWatch::Alarm", "True", "", "Replace", False),
        ("Remove", "AWS::SecretsManager::Secret", "", "Delete", "Remove", True),
        ("Remove", "AWS::SecretsManager::Secret", "", "Retain", "Remove", False),
        ("Modify", "AWS::SES::EmailIdentity", "True", "ReplaceAndRetain", "Replace", False),
        ("Modify", "AWS::IAM::User", "True", "", "Replace", True),
    ],
)
def test_what_is_lost_with_a_change_is_known(
    cloud: CloudFormation,
    look: Callable[[], ChangeSet],
    action: str,
    type: str,
    replacement: str,
    policy: str,
    word: str,
    loses: bool,
) -> None:
    cloud.has_stack()
    cloud.makes_change_set("UPDATE")
    changed = change(action, "It", type, replacement, policy)
    cloud.describes_change_set("CREATE_COMPLETE", [changed])
    cloud.takes_it_back()
    [found] = look().changes
    assert (found.word, bool(found.loss)) == (word, loses)


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"])
def test_a_stack_that_is_being_changed_is_waited_for(cloud: CloudFormation, status: str) -> None:
    assert "Wait until that is done" in fails(status, cloud)


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED"])
def test_a_stack_that_was_never_made_is_to_be_deleted_first(
    cloud: CloudFormation, status: str
) -> None:
    assert f"delete-stack --stack-name {NAME} --region {REGION}" in fails(status, cloud)


def test_a_stack_that_could_not_go_back_is_to_be_sent_on(cloud: CloudFormation) -> None:
    assert "continue-update-rollback" in fails("UPDATE_ROLLBACK_FAILED", cloud)


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_stack_at_rest_may_be_changed(cloud: CloudFormation, ours: Stack, status: str) -> None:
    cloud.has_stack(status)
    ours.refuse_unless_free(ours.deployed())


def test_each_event_is_told_once_and_in_order_until_the_stack_is_done(
    cloud: CloudFormation, execute: Callable[[], None], told: list[str]
) -> None:
    first = event(0, "REVIEW_IN_PROGRESS")
    begun = event(1, "CREATE_IN_PROGRESS")
    topic = event(2, "CREATE_COMPLETE", "EventTopic", "AWS::SNS::Topic")
    cloud.tells(first)
    cloud.executes()
    cloud.tells(first)
    cloud.tells(begun, first)
    cloud.tells(topic, begun, first)
    cloud.tells(event(3, "CREATE_COMPLETE"), topic, begun, first)
    execute()
    assert told == [
        f"CREATE_IN_PROGRESS  {NAME}  AWS::CloudFormation::Stack",
        "CREATE_COMPLETE  EventTopic  AWS::SNS::Topic",
        f"CREATE_COMPLETE  {NAME}  AWS::CloudFormation::Stack",
    ]


def test_events_come_page_by_page(
    cloud: CloudFormation, execute: Callable[[], None], told: list[str]
) -> None:
    cloud.tells(event(0, "UPDATE_COMPLETE"))
    cloud.executes()
    cloud.tells(event(3, "UPDATE_COMPLETE"), event(2, "UPDATE_IN_PROGRESS"), next_token="older")
    cloud.tells(event(1, "UPDATE_IN_PROGRESS"), event(0, "UPDATE_COMPLETE"), token="older")
    execute()
    assert [line.split()[0] for line in told] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
    ]


def test_an_update_is_not_done_before_it_has_cleaned_up(
    cloud: CloudFormation, execute: Callable[[], None]
) -> None:
    cloud.makes_the_stack("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    cloud.tells(event(3, "UPDATE_COMPLETE"), event(2, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"))
    execute()


def test_a_stack_that_fails_is_told_with_its_reasons_and_what_to_do(
    cloud: CloudFormation, execute: Callable[[], None], told: list[str]
) -> None:
    cloud.tells(event(0, "REVIEW_IN_PROGRESS"))
    cloud.executes()
    why = "User: arn:aws:iam::000000000000:user/a is not authorized to perform: iam:CreateRole"
    cloud.tells(
        event(4, "ROLLBACK_COMPLETE"),
        event(3, "ROLLBACK_IN_PROGRESS"),
        event(2, "CREATE_FAILED", "EventTopic", "AWS::SNS::Topic", "Resource creation cancelled"),
        event(1, "CREATE_FAILED", "ApplicationRole", "AWS::IAM::Role", why),
        event(0, "REVIEW_IN_PROGRESS"),
    )
    with pytest.raises(Stopped) as stopped:
        execute()
    found, do = stopped.value.finding.found, stopped.value.finding.do
    assert found == f"the stack {NAME} is ROLLBACK_COMPLETE: ApplicationRole: {why}"
    assert "aws cloudformation delete-stack" in do
    assert any(line.startswith("CREATE_FAILED  ApplicationRole") and why in line for line in told)


@pytest.mark.parametrize(
    ("status", "do"),
    [
        ("UPDATE_ROLLBACK_COMPLETE", "All is as it was before"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    ],
)
def test_an_update_that_fails_says_how_to_go_on(
    cloud: CloudFormation, execute: Callable[[], None], status: str, do: str
) -> None:
    cloud.makes_the_stack("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", status)
    with pytest.raises(Stopped) as stopped:
        execute()
    assert do in stopped.value.finding.do


def test_a_long_silence_is_told(
    cloud: CloudFormation,
    execute: Callable[[], None],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stack, "SILENCE_S", 0)
    cloud.tells(event(0, "REVIEW_IN_PROGRESS"))
    cloud.executes()
    cloud.tells(event(0, "REVIEW_IN_PROGRESS"))
    cloud.tells(event(1, "CREATE_COMPLETE"), event(0, "REVIEW_IN_PROGRESS"))
    execute()
    assert told[0] == "still at it"


def test_a_change_set_that_takes_its_time_is_told(
    cloud: CloudFormation,
    look: Callable[[], ChangeSet],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(change_set, "SILENCE_S", 0)
    cloud.has_stack()
    cloud.makes_change_set("UPDATE")
    cloud.describes_change_set("CREATE_IN_PROGRESS")
    cloud.describes_change_set("CREATE_COMPLETE", [TOPIC])
    cloud.takes_it_back()
    look()
    assert told[-1] == "still at it"


def test_a_change_that_may_not_be_begun_names_the_right_and_is_taken_back(
    cloud: CloudFormation, ours: Stack, told: list[str]
) -> None:
    cloud.has_stack()
    cloud.makes_change_set("UPDATE")
    cloud.describes_change_set("CREATE_COMPLETE", [TOPIC])
    cloud.tells(event(0, "CREATE_COMPLETE"))
    cloud.refuse("execute_change_set", "AccessDenied", "Not allowed", 403)
    cloud.takes_it_back()
    with (
        pytest.raises(Stopped, match="not allowed: needs cloudformation:ExecuteChangeSet"),
        ours.change_set(ours.deployed(), "body", [], TAGS, told.append) as made,
    ):
        ours.execute(made, told.append)


@pytest.mark.parametrize(
    ("prepare", "right"),
    [
        (
            lambda cloud: cloud.refuse("describe_stacks", "AccessDenied", "No", 403),
            "DescribeStacks",
        ),
        (
            lambda cloud: (
                cloud.has_no_stack(),
                cloud.refuse("create_change_set", "AccessDenied", "No", 403),
            ),
            "CreateChangeSet",
        ),
    ],
)
def test_a_right_that_is_missing_is_named(
    cloud: CloudFormation, look: Callable[[], ChangeSet], prepare: Any, right: str
) -> None:
    prepare(cloud)
    with pytest.raises(Unseen, match=f"needs cloudformation:{right}"):
        look()


def test_the_right_that_aws_names_is_the_one_that_is_told(
    cloud: CloudFormation, ours: Stack
) -> None:
    cloud.refuse(
        "describe_stacks",
        "AccessDenied",
        "User: arn:aws:iam::000000000000:user/a is not authorized to perform: iam:PassRole on it",
        403,
    )
    with pytest.raises(Denied, match="needs iam:PassRole"):
        ours.deployed()
