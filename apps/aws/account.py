"""Asks AWS about the account, and changes it if told to. No message is sent from here."""

from typing import Any, NoReturn

from apps.core.audit.findings import Finding, Unseen, fail, warn
from apps.core.providers.aws import client, read, session
from apps.core.providers.aws.client import CHANGING, SHORT, Timeouts
from apps.core.providers.aws.errors import CallFailed, Cause
from apps.core.redaction import redact

#: The prefix of an IAM action, if it is not the name of botocore's service.
_IAM_PREFIXES = {"sesv2": "ses"}


class CallRefused(Unseen):
    """AWS refused the call; `code` and `words` are its own."""

    def __init__(self, finding: Finding, code: str = "", words: str = "") -> None:
        super().__init__(finding)
        self.code = code
        self.words = words


class NotThere(CallRefused):
    """What was asked for does not exist."""


class Denied(CallRefused):
    """The caller lacks the right named `permission`."""

    def __init__(self, permission: str) -> None:
        super().__init__(
            warn(
                f"not allowed to look: needs {permission}",
                f"Allow {permission} to the caller, or look in the console.",
            )
        )
        self.permission = permission


class Stopped(Unseen):
    """The set-up cannot go on; `finding` says why, and what to do."""

    def __init__(self, found: str, do: str) -> None:
        super().__init__(fail(found, do))


class Account:
    """Asks each question once, and remembers the answer, or why there was none."""

    def __init__(self, timeouts: Timeouts = SHORT, *, retry: bool = False) -> None:
        self._timeouts = timeouts
        self._retry = retry
        self._answers: dict[str, dict[str, Any] | Unseen] = {}
        self._session = session.new()
        self._clients: dict[tuple[str, str, str | None], Any] = {}
        #: The finding for each service that could not be reached, so that it is not asked again.
        self._unreached: dict[str, Unseen] = {}

    def ask(
        self,
        service: str,
        action: str,
        region: str,
        *,
        endpoint: str | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Return the answer to one call, the action spelled as IAM spells it.

        `endpoint`: in place of the Region's public one. Raises NotThere, or Unseen with the finding
        for every other failure.
        """
        question = f"{service} {action} {region} {sorted(parameters.items())}"
        if question not in self._answers:
            try:
                self._answers[question] = self._call(service, action, region, parameters, endpoint)
            except Unseen as unseen:
                self._answers[question] = unseen
        answer = self._answers[question]
        if isinstance(answer, Unseen):
            raise answer
        return answer

    def _call(
        self,
        service: str,
        action: str,
        region: str,
        parameters: dict[str, Any],
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        if service in self._unreached:
            raise self._unreached[service]
        try:
            return read.call(self._client(service, region, endpoint), action, **parameters)
        except CallFailed as failed:
            self._raise_finding(service, action, failed)

    def _raise_finding(self, service: str, action: str, failed: CallFailed) -> NoReturn:
        found = _unseen(service, f"{_IAM_PREFIXES.get(service, service)}:{action}", failed)
        if failed.cause in (Cause.UNREACHED, Cause.NO_ANSWER):
            self._unreached[service] = found
        raise found from failed

    def _client(self, service: str, region: str, endpoint: str | None) -> Any:
        key = (service, region, endpoint)
        if key not in self._clients:
            self._clients[key] = client.create(
                service,
                region,
                self._timeouts,
                retry=self._may_retry(service),
                endpoint=endpoint,
                of=self._session,
            )
        return self._clients[key]

    def _may_retry(self, service: str) -> bool:
        return self._retry


class Operator(Account):
    """Asks as Account does, asks again about what may have changed, and makes changes."""

    def __init__(self) -> None:
        super().__init__(CHANGING)

    def _may_retry(self, service: str) -> bool:
        # CloudFormation's calls have a token, and SNS is told what to be. SES's request for
        # production access, made twice, would be two cases.
        return service != "sesv2"

    def look(self, service: str, action: str, region: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer as `ask` does, and ask each time."""
        return self._call(service, action, region, parameters)

    def change(self, service: str, action: str, region: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one call that changes something.

        Raises CallRefused, Stopped for a right that is missing, and Unseen.
        """
        try:
            return self._call(service, action, region, parameters)
        except Denied as denied:
            raise Stopped(
                f"not allowed: needs {denied.permission}",
                f"Allow {denied.permission} to the caller, and run it again.",
            ) from denied


def _unseen(service: str, permission: str, failed: CallFailed) -> Unseen:
    words = redact(failed.words).rstrip(".")
    match failed.cause:
        case Cause.NOT_FOUND:
            found = fail(f"AWS does not know it: {words}", "Check its name and the Region.")
            return NotThere(found, failed.code, words)
        case Cause.DENIED:
            return Denied(failed.missing_right or permission)
        case Cause.THROTTLED:
            return Unseen(warn(f"AWS is busy: {failed.code}", "Run it again in a minute."))
        case Cause.CREDENTIALS:
            answered = f"{failed.code}: {words}" if failed.status is not None else words
            return Unseen(
                fail(
                    f"AWS takes no credentials from here: {answered}",
                    "Give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
                )
            )
        case Cause.UNREACHED | Cause.NO_ANSWER:
            return Unseen(
                fail(
                    f"{service} could not be reached: {failed.code}",
                    "Check the way out of this network, the Region, and the variables "
                    "AWS_ENDPOINT_URL_….",
                )
            )
        case Cause.PARAMETERS | Cause.MISCONFIGURED:
            return Unseen(
                fail(
                    f"{service} cannot be asked: {words}",
                    "Check AWS_SES_REGION, AWS_SNS_REGION and boto3's own variables.",
                )
            )
    refused = fail(f"{permission} was refused, {failed.code}: {words}", "Look in the console.")
    return CallRefused(refused, failed.code, words)
