"""Questions to AWS about the account. Nothing here changes anything, and nothing sends."""

import math
import re
import time
from typing import Any

from botocore import exceptions as aws
from botocore import xform_name
from botocore.config import Config

from apps.core.providers.aws import session
from apps.core.providers.aws.read import DENIED
from apps.core.providers.suppression_lists import SES_PAUSE_S
from apps.core.redaction import redact

from .findings import Finding, Unseen, fail, warn

#: Short, and once: whoever waits is a person, and the next run asks again.
CONFIG = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1}
)

#: The service of an IAM action, where it is not that of the client.
_IAM_SERVICES = {"sesv2": "ses"}
_NOT_THERE = {
    "NotFound",
    "NotFoundException",
    "NoSuchEntity",
    "ResourceNotFoundException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
}
#: AWS's words for a right that is missing, which may be another than that of the call's name.
_MISSING = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
)
_UNREACHED = (aws.HTTPClientError, aws.ConnectionError)


class Refused(Unseen):
    """AWS said no; `code` and `words` are its own."""

    def __init__(self, finding: Finding, code: str = "", words: str = "") -> None:
        super().__init__(finding)
        self.code = code
        self.words = words


class NotThere(Refused):
    """What was asked for does not exist."""


class Denied(Refused):
    """The right named `permission` is missing."""

    def __init__(self, permission: str) -> None:
        super().__init__(
            warn(
                f"not allowed to look: needs {permission}",
                f"Allow {permission} to whoever runs this, or look in the console.",
            )
        )
        self.permission = permission


class Account:
    """Asks each question once, and remembers the answer, or why there was none."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, Any] | Unseen] = {}
        self._session = session.new()
        self._clients: dict[tuple[str, str], Any] = {}
        #: What a service that could not be reached was found to be: it is not waited for again.
        self._unreached: dict[str, Unseen] = {}
        self._ses_asked_at = -math.inf

    def ask(self, service: str, action: str, region: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call of boto3's client, the action spelled as IAM spells it.

        Raises NotThere, or Unseen with the line for whatever else stands in the way.
        """
        question = f"{service} {action} {region} {sorted(parameters.items())}"
        if question not in self._answers:
            try:
                self._answers[question] = self._asked(service, action, region, parameters)
            except Unseen as unseen:
                self._answers[question] = unseen
        answer = self._answers[question]
        if isinstance(answer, Unseen):
            raise answer
        return answer

    def _asked(
        self, service: str, action: str, region: str, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        if service in self._unreached:
            raise self._unreached[service]
        try:
            client = self._client(service, region)
            self._pace(service, client)
            answer: dict[str, Any] = getattr(client, xform_name(action))(**parameters)
        except aws.ClientError as error:
            raise _refused(f"{_IAM_SERVICES.get(service, service)}:{action}", error) from error
        except _NO_CREDENTIALS as error:
            raise Unseen(_no_credentials(str(error))) from error
        except _UNREACHED as error:
            self._unreached[service] = Unseen(_unreached(service, error))
            raise self._unreached[service] from error
        except (aws.BotoCoreError, ValueError) as error:
            raise Unseen(_impossible(service, error)) from error
        return answer

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            self._clients[service, region] = self._session.create_client(
                service, region_name=region, config=self._config(service)
            )
        return self._clients[service, region]

    def _config(self, service: str) -> Config:
        return CONFIG

    def _pace(self, service: str, client: Any) -> None:
        if service == "sesv2" and client.meta.endpoint_url.endswith(".amazonaws.com"):
            time.sleep(max(0.0, self._ses_asked_at + SES_PAUSE_S - time.monotonic()))
            self._ses_asked_at = time.monotonic()


def _refused(permission: str, error: aws.ClientError) -> Unseen:
    code = error.response["Error"].get("Code", "")
    words = redact(error.response["Error"].get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _NOT_THERE:
        return NotThere(
            fail(f"AWS does not know it: {words.rstrip('.')}", "Check its name and the Region.")
        )
    if code in DENIED:
        missing = _MISSING.search(words)
        return Denied(missing[1] if missing else permission)
    if code.startswith("Throttl") or code == "TooManyRequestsException" or status == 429:
        return Unseen(warn(f"AWS is busy: {code}", "Run it again in a minute."))
    if status in (401, 403):
        return Unseen(_no_credentials(f"{code}: {words}"))
    return Refused(
        fail(f"{permission} was refused, {code}: {words}", "Look in the console."), code, words
    )


def _no_credentials(words: str) -> Finding:
    return fail(
        f"AWS takes no credentials from here: {words.rstrip('.')}",
        "Give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    )


def _unreached(service: str, error: Exception) -> Finding:
    return fail(
        f"{service} could not be reached: {type(error).__name__}",
        "Check the way out of this network, the Region, and the variables AWS_ENDPOINT_URL_….",
    )


def _impossible(service: str, error: Exception) -> Finding:
    return fail(
        f"{service} cannot be asked: {redact(str(error)).rstrip('.')}",
        "Check AWS_SES_REGION, AWS_SNS_REGION and boto3's own variables.",
    )
