"""One CloudFormation change set: what it would do to a stack, and its execution."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.aws.account import CallRefused, Operator, Stopped

#: Seconds between two looks, and after which to say that nothing has happened.
POLL_S = 3.0
SILENCE_S = 30.0

Tell = Callable[[str], None]

#: What is lost with a resource that is removed or replaced.
HOLDS = {
    "AWS::SES::EmailIdentity": "its DKIM keys, so the domain wants new DNS records",
    "AWS::SES::ConfigurationSet": "its statistics; e-mails that name it are refused meanwhile",
    "AWS::SNS::Topic": "its subscriptions",
    "AWS::SQS::Queue": "the messages that wait in it",
    "AWS::IAM::User": "its access keys, and the SMTP password made of one",
    "AWS::SecretsManager::Secret": "the secret",
    "AWS::ElastiCache::ReplicationGroup": "what waits in Redis; its address changes",
    "AWS::Logs::LogGroup": "the log",
}
#: CloudFormation has two sentences for a change set without changes.
_EMPTY = ("didn't contain changes", "No updates are to be performed")
_READY, _FAILED = "CREATE_COMPLETE", "FAILED"


@dataclass(frozen=True)
class Change:
    """The change of one resource."""

    action: str
    id: str
    type: str
    #: "", "False", "True" or "Conditional", as CloudFormation says it.
    replacement: str
    #: What CloudFormation does with the old one.
    policy: str

    @property
    def is_replacement(self) -> bool:
        return self.replacement in ("True", "Conditional")

    @property
    def word(self) -> str:
        """Name the change in a word or two."""
        if self.replacement == "Conditional":
            return "May replace"
        return "Replace" if self.is_replacement else self.action

    @property
    def is_end(self) -> bool:
        """Return whether the old resource leaves the stack."""
        return self.action == "Remove" or self.is_replacement

    @property
    def is_kept(self) -> bool:
        """Return whether the old resource stays in the account."""
        return "Retain" in self.policy

    @property
    def loss(self) -> str:
        """Name what is lost with the old resource; empty if nothing is."""
        return HOLDS.get(self.type, "") if self.is_end and not self.is_kept else ""

    def as_dict(self) -> dict[str, str]:
        return {
            "action": self.action,
            "id": self.id,
            "type": self.type,
            "replacement": self.replacement,
            "loss": self.loss,
        }


@dataclass
class ChangeSet:
    """A change set of one stack; `wait` fills in its changes."""

    operator: Operator
    region: str
    id: str
    stack_id: str
    changes: list[Change] = field(default_factory=list)
    #: Nothing is to be done. A change set without changes may still change an output.
    is_empty: bool = False
    is_executed: bool = False

    def wait(self, tell: Tell) -> None:
        """Wait until CloudFormation knows the changes; raises Stopped if it refuses."""
        said_at = time.monotonic()
        while (page := self._page())["Status"] not in (_READY, _FAILED):
            if time.monotonic() - said_at >= SILENCE_S:
                tell("still at it")
                said_at = time.monotonic()
            time.sleep(POLL_S)
        if page["Status"] == _READY:
            self.changes = self._changes(page)
        elif any(words in page.get("StatusReason", "") for words in _EMPTY):
            self.is_empty = True
        else:
            reason = page.get("StatusReason", "it gives no reason")
            raise Stopped(
                f"CloudFormation refuses the change: {reason}",
                "Correct what it names, and run it again.",
            )

    def _page(self, **parameters: str) -> dict[str, Any]:
        return self.operator.look(
            "cloudformation",
            "DescribeChangeSet",
            self.region,
            ChangeSetName=self.id,
            **parameters,
        )

    def _changes(self, page: dict[str, Any]) -> list[Change]:
        found = list(page.get("Changes", []))
        while token := page.get("NextToken"):
            page = self._page(NextToken=token)
            found += page.get("Changes", [])
        return [_change(each["ResourceChange"]) for each in found if "ResourceChange" in each]

    def execute(self) -> None:
        """Have CloudFormation begin."""
        # Before the call: without an answer, it may have begun.
        self.is_executed = True
        try:
            self.operator.change(
                "cloudformation",
                "ExecuteChangeSet",
                self.region,
                ChangeSetName=self.id,
                ClientRequestToken=self.id.rpartition("/")[2],
                # Explicit, because the documentation contradicts itself: undo a failure.
                DisableRollback=False,
            )
        except (CallRefused, Stopped):
            self.is_executed = False
            raise

    def delete(self) -> None:
        self.operator.change(
            "cloudformation", "DeleteChangeSet", self.region, ChangeSetName=self.id
        )


def _change(said: dict[str, Any]) -> Change:
    return Change(
        action=said["Action"],
        id=said["LogicalResourceId"],
        type=said["ResourceType"],
        replacement=said.get("Replacement", ""),
        policy=said.get("PolicyAction", ""),
    )
