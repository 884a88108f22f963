"""A stand-in for CloudFormation: the calls that it expects, in order, and its answers."""

from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.stub import ANY, Stubber

NAME, REGION = "rs-systems-notifications-development", "us-east-1"
STACK_ID = f"arn:aws:cloudformation:{REGION}:000000000000:stack/{NAME}/0b7f"
CHANGE_SET_ID = f"arn:aws:cloudformation:{REGION}:000000000000:changeSet/rs-systems-1/9d2c"
EMPTY = "The submitted information didn't contain changes. Submit different information."
NOW = datetime(2026, 11, 26, 10, tzinfo=UTC)
ROLE = "arn:aws:iam::000000000000:role/rs-systems-development-us-east-1-sms-status"
BROKER_SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:rs-systems/development/broker"

OUTPUTS = {
    "SesRegion": ("AWS_SES_REGION: the Region of SES", REGION),
    "SesConfigurationSet": (
        "AWS_SES_CONFIGURATION_SET: the configuration set",
        "rs-systems-notifications",
    ),
    "SecretArn": ("The secret", "arn:aws:secretsmanager:us-east-1:000000000000:secret:rs"),
    "SmtpUserName": ("The user", "rs-systems-development-us-east-1-ses-smtp"),
    "SmsDeliveryStatusRoleArn": ("The role", ROLE),
    "BrokerSecretArn": ("The URL of Redis", BROKER_SECRET),
}


class CloudFormation:
    """A client that compares each call with the expected one, and with AWS's model."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("cloudformation", region_name=REGION)
        self._stubber = Stubber(self.client)
        self._stubber.activate()

    def expect(self, method: str, answer: dict[str, Any], **parameters: Any) -> None:
        self._stubber.add_response(method, answer, parameters)

    def refuse(self, method: str, code: str, words: str, status: int = 400) -> None:
        self._stubber.add_client_error(method, code, words, status)

    def assert_all_came(self) -> None:
        self._stubber.assert_no_pending_responses()

    def has_no_stack(self) -> None:
        self.refuse("describe_stacks", "ValidationError", f"Stack with id {NAME} does not exist")

    def has_stack(
        self, status: str = "CREATE_COMPLETE", name: str = NAME, **parameters: str
    ) -> None:
        self.expect(
            "describe_stacks",
            {
                "Stacks": [
                    {
                        "StackId": STACK_ID,
                        "StackName": NAME,
                        "StackStatus": status,
                        "CreationTime": NOW,
                        "Parameters": [
                            {"ParameterKey": key, "ParameterValue": value}
                            for key, value in parameters.items()
                        ],
                        "Outputs": [
                            {"OutputKey": key, "Description": words, "OutputValue": value}
                            for key, (words, value) in OUTPUTS.items()
                        ],
                    }
                ]
            },
            StackName=name,
        )

    def makes_change_set(
        self, kind: str = "CREATE", parameters: Any = ANY, body: Any = ANY
    ) -> None:
        self.expect(
            "create_change_set",
            {"Id": CHANGE_SET_ID, "StackId": STACK_ID},
            StackName=NAME,
            ChangeSetName=ANY,
            ClientToken=ANY,
            ChangeSetType=kind,
            TemplateBody=body,
            Parameters=parameters,
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[
                {"Key": "Application", "Value": "rs-systems"},
                {"Key": "Environment", "Value": "development"},
            ],
        )

    def describes_change_set(
        self,
        status: str,
        changes: list[dict[str, Any]] | None = None,
        reason: str = "",
        token: str = "",
        next_token: str = "",
    ) -> None:
        answer: dict[str, Any] = {"Status": status, "Changes": changes or []}
        answer |= {"StatusReason": reason} if reason else {}
        answer |= {"NextToken": next_token} if next_token else {}
        asked = {"NextToken": token} if token else {}
        self.expect("describe_change_set", answer, ChangeSetName=CHANGE_SET_ID, **asked)

    def deletes_change_set(self) -> None:
        self.expect("delete_change_set", {}, ChangeSetName=CHANGE_SET_ID)

    def deletes_the_empty_stack(self) -> None:
        """Expect the deletion of a stack that has only an empty change set."""
        self.has_stack("REVIEW_IN_PROGRESS", STACK_ID)
        self.expect("list_stack_resources", {"StackResourceSummaries": []}, StackName=STACK_ID)
        self.expect("list_change_sets", {"Summaries": []}, StackName=STACK_ID)
        self.expect("delete_stack", {}, StackName=STACK_ID)
        self.has_stack("DELETE_IN_PROGRESS", STACK_ID)
        self.has_stack("DELETE_COMPLETE", STACK_ID)

    def executes(self) -> None:
        self.expect(
            "execute_change_set",
            {},
            ChangeSetName=CHANGE_SET_ID,
            ClientRequestToken="9d2c",
            DisableRollback=False,
        )

    def tells(self, *events: dict[str, Any], token: str = "", next_token: str = "") -> None:
        """Answer with these stack events, the newest first."""
        answer: dict[str, Any] = {"StackEvents": list(events)}
        answer |= {"NextToken": next_token} if next_token else {}
        asked = {"NextToken": token} if token else {}
        self.expect("describe_stack_events", answer, StackName=STACK_ID, **asked)

    def makes_the_stack(self, *ends: str) -> None:
        """Expect the change set's execution; the stack then goes through these statuses."""
        before = event(0, "REVIEW_IN_PROGRESS")
        self.tells(before)
        self.executes()
        events = [event(number, status) for number, status in enumerate(ends, 1)]
        self.tells(*reversed(events), before)

    def updates_nothing(self, **parameters: str) -> None:
        """Expect a run that finds nothing to change, up to the change set's end."""
        self.has_stack(**parameters)
        self.makes_change_set("UPDATE")
        self.describes_change_set("FAILED", reason=EMPTY)

    def takes_it_back(self) -> None:
        """Expect the deletion of the change set of an existing stack."""
        self.deletes_change_set()
        self.has_stack(name=STACK_ID)


def event(
    number: int, status: str, resource: str = "", type: str = "", reason: str = ""
) -> dict[str, Any]:
    """Return one stack event, about the stack itself unless a resource is named."""
    return {
        "StackId": STACK_ID,
        "EventId": f"event-{number}",
        "StackName": NAME,
        "LogicalResourceId": resource or NAME,
        "PhysicalResourceId": f"physical-{resource}" if resource else STACK_ID,
        "ResourceType": type or "AWS::CloudFormation::Stack",
        "Timestamp": NOW,
        "ResourceStatus": status,
        **({"ResourceStatusReason": reason} if reason else {}),
    }


def change(
    action: str, resource: str, type: str, replacement: str = "", policy: str = ""
) -> dict[str, Any]:
    said = {"Action": action, "LogicalResourceId": resource, "ResourceType": type}
    said |= {"Replacement": replacement} if replacement else {}
    said |= {"PolicyAction": policy} if policy else {}
    return {"Type": "Resource", "ResourceChange": said}
