"""Read this environment's secret variables from AWS Secrets Manager.

No value gets into an error, a log or a `repr`.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import boto3
from botocore import exceptions as aws
from botocore.config import Config

from .refusal import refuse


class Patience(NamedTuple):
    """Seconds for the connection and for each answer, and the number of tries.

    boto3 may repeat the call, because it only reads.
    """

    connect_s: float
    read_s: float
    tries: int


AT_START = Patience(3, 5, 3)
#: A request or a task waits meanwhile, and the previous values are still there.
LATER = Patience(1, 1, 1)

#: Our own variable: names and fingerprints of the values in `os.environ` that came from the secret.
#: Child processes inherit those values (a worker restarts itself at SIGHUP), and must not take them
#: for values that the host has set.
GIVEN = "AWS_SECRETS_GIVEN"

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
#: These decide which secret is read, so they cannot be in it.
_READ_BEFORE = re.compile(r"ENVIRONMENT|ENV_FILE|USE_AWS_DB|DJANGO_SETTINGS_MODULE|AWS_SECRETS_.*")
_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
)
#: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
_CREDENTIALS = {
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "UnrecognizedClientException",
}
_UNREACHED = (aws.HTTPClientError, aws.ConnectionError)


class Unreadable(Exception):
    """The secret cannot be used. The text says what was found and what to do."""

    def __init__(self, found: str, do: str) -> None:
        super().__init__(f"The secret {_name()!r} in {_region()} {found.rstrip('.')}. {do}")


class Version(NamedTuple):
    """One version of the secret, as it was read."""

    id: str
    values: dict[str, str]

    def __repr__(self) -> str:
        return f"Version(id={self.id!r}, names={sorted(self.values)})"


@dataclass
class Given:
    """What this process uses of the secret."""

    version: Version
    #: Names that the environment had a value for, which wins.
    overridden: set[str] = field(default_factory=set)


_given: Given | None = None


def given() -> Given | None:
    """Return what `load` has read; None if AWS_SECRETS_NAME is not set."""
    return _given


def load() -> None:
    """Put the secret's variables into `os.environ` unless they have values there, once a process.

    End the process with the reason if the secret cannot be read.
    """
    global _given
    if _given is not None or not _name():
        return
    try:
        version = read(AT_START)
    except Unreadable as problem:
        refuse(str(problem))
    overridden = {name for name in version.values if _is_set_by_host(name)}
    put(_without(version.values, overridden))
    _given = Given(version, overridden)


def put(values: dict[str, str]) -> None:
    """Put values of the secret into `os.environ`, and note their fingerprints."""
    os.environ.update(values)
    marks = _marks() | {name: _mark(value) for name, value in values.items()}
    os.environ[GIVEN] = ",".join(f"{name}={mark}" for name, mark in marks.items())


def _is_set_by_host(name: str) -> bool:
    value = os.environ.get(name, "")
    return bool(value) and _marks().get(name) != _mark(value)


def _marks() -> dict[str, str]:
    pairs = (pair.partition("=") for pair in os.environ.get(GIVEN, "").split(","))
    return {name: mark for name, _, mark in pairs if name}


def _mark(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def renew() -> dict[str, str]:
    """Read the secret again and return changed values by name, "" for a removed one.

    Leave out names that the environment overrides. Raises Unreadable.
    """
    assert _given, "load() comes first"
    before, after = _given.version, read(LATER)
    _given.version = after
    if before.id == after.id:
        return {}
    names = before.values.keys() | after.values.keys()
    changed = {
        name: after.values.get(name, "")
        for name in names
        if before.values.get(name) != after.values.get(name)
    }
    return _without(changed, _given.overridden)


def _without(values: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}


def _name() -> str:
    return os.environ.get("AWS_SECRETS_NAME", "")


def _region() -> str:
    # arn:aws:secretsmanager:us-east-1:123456789012:secret:name
    of_arn = _name().split(":")[3] if re.match(r"arn:[^:]+:secretsmanager:.", _name()) else ""
    named = os.environ.get("AWS_SECRETS_REGION") or os.environ.get("AWS_SES_REGION")
    return of_arn or named or "us-east-1"


@cache
def _session() -> Any:
    # Cached, so that it keeps the host's own credentials: AWS_ACCESS_KEY_ID in the secret is meant
    # for the other clients.
    return boto3.Session()


def read(patience: Patience) -> Version:
    """Read the secret from AWS. Raises Unreadable."""
    config = Config(
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
        retries={"mode": "standard", "total_max_attempts": patience.tries},
    )
    try:
        client = _session().client("secretsmanager", region_name=_region(), config=config)
        answer: dict[str, Any] = client.get_secret_value(SecretId=_name())
    except aws.ClientError as error:
        raise _refused(error) from None
    except _NO_CREDENTIALS as error:
        raise _no_credentials(str(error)) from None
    except _UNREACHED as error:
        raise Unreadable(
            f"could not be reached: {error}",
            "Check the way out of this network, the Region and AWS_ENDPOINT_URL_SECRETS_MANAGER.",
        ) from None
    except (aws.BotoCoreError, ValueError) as error:
        raise Unreadable(
            f"cannot be read: {error}",
            "Check AWS_SECRETS_NAME, AWS_SECRETS_REGION and boto3's own variables.",
        ) from None
    return Version(answer["VersionId"], _variables(answer.get("SecretString")))


def _refused(error: aws.ClientError) -> Unreadable:
    code = error.response["Error"].get("Code", "")
    words = error.response["Error"].get("Message", "")
    said = f"AWS says {code}: {words}"
    if code == "ResourceNotFoundException":
        return Unreadable(
            f"does not exist, or has no value yet; {said}",
            "Check AWS_SECRETS_NAME and its Region, AWS_SECRETS_REGION or else AWS_SES_REGION.",
        )
    if code == "InvalidRequestException":
        return Unreadable(
            f"is scheduled for deletion, or cannot be used; {said}",
            "`aws secretsmanager restore-secret` cancels a deletion.",
        )
    if code == "DecryptionFailure" or (code == "AccessDeniedException" and "kms" in words.lower()):
        return Unreadable(
            f"cannot be decrypted; {said}", "Allow this machine's role kms:Decrypt with its key."
        )
    if code == "AccessDeniedException":
        return Unreadable(
            f"is denied to this machine; {said}",
            "Allow secretsmanager:GetSecretValue to this machine's role (and kms:Decrypt if you "
            "encrypt it with a key of your own).",
        )
    if code in _CREDENTIALS:
        return _no_credentials(said)
    return Unreadable(f"was refused; {said}", "Look at the secret in the AWS console.")


def _no_credentials(words: str) -> Unreadable:
    return Unreadable(
        f"was refused, because AWS accepts no credentials from here: {words}",
        "Give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    )


def _variables(text: str | None) -> dict[str, str]:
    """Parse a secret's text into variables. Raises Unreadable."""
    if text is None:
        raise Unreadable("is binary", _FORM)
    try:
        # Keep numbers as they are spelled.
        found = json.loads(text, parse_int=str, parse_float=str)
    except ValueError:
        found = None
    # Outside the handler, because the parser's error quotes the whole text.
    if not isinstance(found, dict):
        raise Unreadable("is not a JSON object", _FORM)
    for name, value in found.items():
        if not _VARIABLE.fullmatch(name):
            raise Unreadable(f"has {name!r}, which is not the name of a variable", _FORM)
        if _READ_BEFORE.fullmatch(name):
            raise Unreadable(f"has {name}, which is read before the secret", "Set it on the host.")
        if not isinstance(value, str) or "\0" in value:
            raise Unreadable(f"has {name}, which is neither text nor a number", _FORM)
    return {name: value for name, value in found.items() if value}


_FORM = 'Write it as in {"SECRET_KEY": "…", "DATABASE_URL": "…"}: variables and their values.'
