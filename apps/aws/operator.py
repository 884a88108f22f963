"""Calls that change the AWS account, for whoever sets it up."""

from typing import Any

from botocore.config import Config

from .account import Account, Denied
from .findings import Unseen, fail

_TIMEOUTS: Any = {"connect_timeout": 5, "read_timeout": 30}
#: What CloudFormation and SNS are told may be said twice: it has a token, or sets what is set.
_AGAIN = Config(**_TIMEOUTS, retries={"mode": "standard", "total_max_attempts": 5})
#: A request for production access, said twice, would be two cases.
_ONCE = Config(**_TIMEOUTS, retries={"mode": "standard", "total_max_attempts": 1})


class Stopped(Unseen):
    """The set-up cannot go on; `finding` says why, and what to do."""

    def __init__(self, found: str, do: str) -> None:
        super().__init__(fail(found, do))


class Operator(Account):
    """Asks as Account does, asks again about what moves on, and changes what it is told to."""

    def look(self, service: str, action: str, region: str, **parameters: Any) -> dict[str, Any]:
        """As `ask`, and asked each time."""
        return self._asked(service, action, region, parameters)

    def change(self, service: str, action: str, region: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call that changes something.

        Raises Refused where AWS would not, Stopped for a right that is missing, and Unseen.
        """
        try:
            return self._asked(service, action, region, parameters)
        except Denied as denied:
            raise Stopped(
                f"not allowed: needs {denied.permission}",
                f"Allow {denied.permission} to whoever runs this, and run it again.",
            ) from denied

    def _config(self, service: str) -> Config:
        return _ONCE if service == "sesv2" else _AGAIN
