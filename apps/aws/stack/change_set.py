"""One CloudFormation change set: what it would do to a stack, made to be looked at or executed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apps.aws.account import CallRefused, Operator, Stopped

#: Seconds between two looks at what moves on, and after which it is said that nothing did.
POLL_S = 3.0
SILENCE_S = 30.0

Tell = Callable[[str], None]

#: What goes with a resource that is removed or made anew.
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
#: In CloudFormation's two sentences for it.
_EMPTY = ("didn't contain changes", "No updates are to be performed")
_READY, _FAILED = "CREATE_COMPLETE", "FAILED"


@dataclass(frozen=True)
class Change:
    """What becomes of one resource."""

    action: str
    id: str
    type: str
    #: "", "False", "True" or "Conditional", as CloudFormation says it.
    replacement: str
    #: What is done with the one that is removed or replaced.
    policy: str

    @property
    def is_replacement(self) -> bool:
        return self.replacement in ("True", "Conditional")

    @property
    def word(self) -> str:
        """What happens, in one word or two."""
        if self.replacement == "Conditional":
            return "May replace"
        return "Replace" if self.is_replacement else self.action

    @property
    def is_end(self) -> bool:
        """Whether the resource that there is goes."""
        return self.action == "Remove" or self.is_replacement

    @property
    def is_kept(self) -> bool:
        """Whether the resource that goes from the stack stays in the account."""
        return "Retain" in self.policy

    @property
    def loss(self) -> str:
        """What is lost with it; empty where nothing is."""
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
    """A change set of one stack; it has no changes until `wait` has seen what they are."""

    operator: Operator
    region: str
    id: str
    stack_id: str
    changes: list[Change] = field(default_factory=list)
    #: Nothing is to be done. Without it there may be no change of a resource, but of an output.
    is_empty: bool = False
    is_executed: bool = False

    def wait(self, tell: Tell) -> None:
        """Until CloudFormation has worked it out; raises Stopped where it could not."""
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
            raise Stopped(
                f"CloudFormation refuses the change: {page.get('StatusReason', 'it says no why')}",
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
        """Have CloudFormation begin with it."""
        # Before the call: without an answer, it may have begun.
        self.is_executed = True
        try:
            self.operator.change(
                "cloudformation",
                "ExecuteChangeSet",
                self.region,
                ChangeSetName=self.id,
                ClientRequestToken=self.id.rpartition("/")[2],
                # Said, since the documentation has it both ways: a failure is undone.
                DisableRollback=False,
            )
        except (CallRefused, Stopped):
            self.is_executed = False
            raise

    def delete(self) -> None:
        """Forget it."""
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
