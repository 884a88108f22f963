"""The secret at the start of a process: a real boto3 asks moto's Secrets Manager."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import pytest

from apps.aws.account import Account
from apps.aws.doctor import configuration
from apps.core.audit.findings import Status
from rs_systems import environment, secret
from rs_systems.refusal import CANNOT_START
from tests.support.secrets_manager import NAME, REGION, SecretsManager
from tests.support.services import CLOSED_PORT
from tests.support.settings import PRODUCTION, run
from tools.processes import LOOPBACK, wait_until
from tools.supervisor import ROOT

pytestmark = pytest.mark.services

HIDDEN = "a-value-that-must-stay-secret-0123456789-abcdefghijklmnop"


def test_the_secret_fills_variables_that_are_missing_or_empty(
    manager: SecretsManager,
) -> None:
    manager.put(OURS="secret's", EMPTY="secret's", NEW="secret's", NUMBER=587, NOTHING="")
    os.environ.update(OURS="ours", EMPTY="")
    secret.load()
    found = {name: os.environ.get(name) for name in ("OURS", "EMPTY", "NEW", "NUMBER", "NOTHING")}
    assert found == {
        "OURS": "ours",
        "EMPTY": "secret's",
        "NEW": "secret's",
        "NUMBER": "587",
        "NOTHING": None,
    }


def test_a_value_in_a_file_wins_over_the_secret(manager: SecretsManager) -> None:
    manager.put(AWS_SES_HOST="secret's", NEW="secret's")
    os.environ.pop("AWS_SES_HOST")
    assert environment.load() == "development"
    # From .env.development.
    assert (os.environ["AWS_SES_HOST"], os.environ["NEW"]) == ("127.0.0.1", "secret's")


def test_a_process_reads_the_secret_once(manager: SecretsManager) -> None:
    manager.put(SECRET_KEY=HIDDEN)
    code = (
        "import django; django.setup()\n"
        "import rs_systems.celery, rs_systems.wsgi\n"
        "from django.conf import settings; print(settings.SECRET_KEY)"
    )
    variables = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}
    result = run(code, **variables, **manager.variables)
    assert result.stdout.strip() == HIDDEN, result.stderr
    assert manager.asked == [(NAME, REGION)]


def test_without_a_secret_s_name_boto3_is_not_loaded() -> None:
    code = "import sys; print('boto3' in sys.modules, 'rs_systems.rotation' in sys.modules)"
    assert run(code, ENVIRONMENT="development").stdout.strip() == "False False"


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_SES_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_SES_REGION": "eu-west-1", "AWS_SECRETS_REGION": "eu-north-1"}, "eu-north-1"),
        (
            {
                "AWS_SECRETS_NAME": f"arn:aws:secretsmanager:us-west-2:123456789012:secret:{NAME}",
                "AWS_SECRETS_REGION": "eu-north-1",
            },
            "us-west-2",
        ),
    ],
)
def test_the_region_comes_from_the_arn_or_else_from_variables(
    manager: SecretsManager, variables: dict[str, str], region: str
) -> None:
    os.environ.pop("AWS_SES_REGION", None)
    os.environ.update(variables)
    manager.planted.append((200, {"VersionId": "1", "SecretString": "{}"}))
    secret.load()
    assert [asked for _, asked in manager.asked] == [region]


REFUSALS = [
    ("ResourceNotFoundException", "", "does not exist", "AWS_SECRETS_REGION"),
    ("InvalidRequestException", "marked for deletion", "marked for deletion", "restore-secret"),
    ("AccessDeniedException", "not authorized", "is denied", "secretsmanager:GetSecretValue"),
    ("AccessDeniedException", "Access to KMS is not allowed", "decrypted", "kms:Decrypt"),
    ("DecryptionFailure", "", "cannot be decrypted", "kms:Decrypt"),
    ("UnrecognizedClientException", "invalid token", "no credentials", "AWS_ACCESS_KEY_ID"),
    ("InvalidParameterException", "odd", "InvalidParameterException: odd", "console"),
]


@pytest.mark.parametrize(("code", "words", "found", "do"), REFUSALS)
def test_a_refusal_says_what_happened_and_what_to_do(
    manager: SecretsManager, code: str, words: str, found: str, do: str
) -> None:
    manager.refuse(code, words)
    told = failure()
    assert told.startswith(f"The secret {NAME!r} in {REGION} ")
    assert found in told
    assert do in told.partition(". ")[2]


def test_a_missing_or_deleted_secret_is_explained(
    manager: SecretsManager,
) -> None:
    assert "has no value yet" in failure()
    manager.put(A="b")
    manager.client.delete_secret(SecretId=NAME)
    assert "is scheduled for deletion" in failure()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"user:{HIDDEN}", "is not a JSON object"),
        (f'["{HIDDEN}"]', "is not a JSON object"),
        (f'{{"password": "{HIDDEN}"}}', "has 'password', which is not the name of a variable"),
        (f'{{"SECRET_KEY": ["{HIDDEN}"]}}', "has SECRET_KEY, which is neither text nor a number"),
        ('{"SMS_ENABLED": true}', "has SMS_ENABLED, which is neither text nor a number"),
        (f'{{"SECRET_KEY": "{HIDDEN}\\u0000"}}', "has SECRET_KEY, which is neither"),
        ('{"ENVIRONMENT": "production"}', "has ENVIRONMENT, which is read before"),
        ('{"AWS_SECRETS_REGION": "x"}', "has AWS_SECRETS_REGION, which is read before"),
    ],
)
def test_a_malformed_secret_is_explained_without_its_values(
    manager: SecretsManager, text: str, problem: str
) -> None:
    manager.put_text(text)
    before = dict(os.environ)
    told = failure()
    assert problem in told
    assert HIDDEN not in told
    assert os.environ == before


def test_a_binary_secret_is_refused(manager: SecretsManager) -> None:
    manager.client.put_secret_value(SecretId=NAME, SecretBinary=b"key")
    assert "is binary" in failure()


def test_missing_credentials_are_explained(manager: SecretsManager) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    assert (
        "accepts no credentials from here: Unable to locate credentials. Give the machine"
        in failure()
    )


def test_a_silent_secrets_manager_is_tried_three_times(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret, "AT_START", secret.AT_START._replace(read_s=0.2))
    manager.open.clear()
    assert "could not be reached: Read timeout" in failure()
    # The server may still be handling the last try.
    wait_until(lambda: len(manager.asked) == secret.AT_START.tries, "it was asked so often")


def test_no_repr_contains_a_value_of_the_secret(manager: SecretsManager) -> None:
    manager.put(SECRET_KEY=HIDDEN)
    secret.load()
    assert "SECRET_KEY" in repr(secret.given())
    assert HIDDEN not in repr(secret.given())
    assert HIDDEN not in repr(secret.read(secret.AT_START))


def test_inherited_values_of_the_secret_are_not_the_host_s(
    manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.put(HANDED_ON="old", CHANGED="old")
    secret.load()
    # As in a worker that restarted itself after a person set one of the variables.
    monkeypatch.setattr(secret, "_given", None)
    os.environ["CHANGED"] = "the host's"
    manager.put(HANDED_ON="new", CHANGED="new")
    secret.load()
    assert (os.environ["HANDED_ON"], os.environ["CHANGED"]) == ("new", "the host's")
    given = secret.given()
    assert given
    assert given.overridden == {"CHANGED"}


# --- Processes ----------------------------------------------------------------------------------
STAGING = {
    **{name: PRODUCTION[name] for name in PRODUCTION if name not in ("SECRET_KEY", "DATABASE_URL")},
    "ENVIRONMENT": "staging",
    "STAGING_ALLOWED_RECIPIENTS": "@us.example",
    # As in a copied example without values.
    "SECRET_KEY": "",
    "AWS_SES_SMTP_PASSWORD": "",
    "ENV_FILE": os.devnull,
}


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=inherited | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_staging_can_take_its_credentials_from_the_secret_alone(manager: SecretsManager) -> None:
    manager.put(
        SECRET_KEY=PRODUCTION["SECRET_KEY"],
        DATABASE_URL=PRODUCTION["DATABASE_URL"],
        AWS_SES_SMTP_PASSWORD="password",
    )
    deploy = ("check", "--deploy", "--fail-level", "WARNING")
    result = manage(*deploy, **STAGING, **manager.variables)
    assert result.returncode == 0, result.stderr
    assert len(manager.asked) == 1


def test_staging_does_not_start_if_its_secret_is_unreachable(manager: SecretsManager) -> None:
    nowhere = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{LOOPBACK}:{CLOSED_PORT}"}
    result = manage("check", "--deploy", **STAGING, **(manager.variables | nowhere))
    assert result.returncode == CANNOT_START
    [line] = result.stderr.strip().splitlines()
    assert line.startswith(f"The secret {NAME!r} in us-east-1 could not be reached: ")
    assert "Check the way out of this network" in line


def test_collectstatic_needs_no_secret() -> None:
    result = manage("collectstatic", "--dry-run", "--noinput", **PRODUCTION, ENV_FILE=os.devnull)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("given", [True, False])
def test_require_fails_until_the_variable_has_a_value(manager: SecretsManager, given: bool) -> None:
    manager.put(**({"FLOWER_BASIC_AUTH": HIDDEN} if given else {}))
    ended = subprocess.run(
        [sys.executable, "-m", "rs_systems.require", "FLOWER_BASIC_AUTH"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == (0 if given else CANNOT_START)
    said = "Set FLOWER_BASIC_AUTH in the environment or in the secret."
    assert ended.stderr.strip() == ("" if given else said)


# --- The doctor ---------------------------------------------------------------------------------
def test_the_doctor_names_the_variables_of_the_secret(
    manager: SecretsManager, settings: Any
) -> None:
    settings.AWS_SECRETS_NAME = NAME
    os.environ.pop("SECRET_KEY", None)
    manager.put(SECRET_KEY=HIDDEN, NEW=HIDDEN)
    secret.load()
    finding = configuration.secrets(Account())
    assert (finding.status, finding.found) == (Status.OK, f"{NAME} gives NEW, SECRET_KEY")


def test_the_doctor_warns_about_variables_that_do_not_rotate(
    manager: SecretsManager, settings: Any
) -> None:
    settings.AWS_SECRETS_NAME = NAME
    os.environ["OURS"] = "ours"
    manager.put(OURS=HIDDEN)
    secret.load()
    finding = configuration.secrets(Account())
    assert finding.status == Status.WARN
    assert finding.found == f"{NAME} gives OURS; this host has its own OURS"


@pytest.mark.parametrize(
    ("name", "status"),
    [("development", Status.OK), ("staging", Status.WARN), ("production", Status.WARN)],
)
def test_without_a_secret_the_doctor_warns_outside_development(
    settings: Any, monkeypatch: pytest.MonkeyPatch, name: str, status: Status
) -> None:
    monkeypatch.setattr(secret, "_given", None)
    settings.ENVIRONMENT = name
    assert configuration.secrets(Account()).status == status


def failure(load: Callable[[], None] = secret.load) -> str:
    said = StringIO()
    with redirect_stderr(said), pytest.raises(SystemExit, match=str(CANNOT_START)):
        load()
    return said.getvalue().strip()
