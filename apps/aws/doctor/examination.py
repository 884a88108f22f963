"""The doctor: every check, each by itself, and what they found."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.aws.account import Account
from apps.aws.findings import Check, Finding, Status, Unseen, fail
from apps.core.redaction import redact

from . import configuration, credentials, database, email, events, redis_server, texts, workers

AREAS = [
    credentials.area,
    email.area,
    events.area,
    texts.area,
    redis_server.area,
    database.area,
    workers.area,
    configuration.area,
]
CHECKS: list[Check] = [check for area in AREAS for check in area.checks]


@dataclass(frozen=True)
class Line:
    """What one check found."""

    check: Check
    finding: Finding

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.check.id,
            "area": self.check.area,
            "status": self.finding.status.value,
            "found": self.finding.found,
            "do": self.finding.do,
        }


@dataclass(frozen=True)
class Report:
    """The lines in their order; it is well where none of them failed."""

    lines: list[Line]

    @property
    def is_well(self) -> bool:
        return not self.count(Status.FAIL)

    def count(self, status: Status) -> int:
        return sum(line.finding.status == status for line in self.lines)

    def as_dict(self) -> dict[str, Any]:
        return {"ok": self.is_well, "checks": [line.as_dict() for line in self.lines]}


def examine(checks: Iterable[Check] | None = None) -> Report:
    """Look at these, or at everything; never raises for what it finds, and changes nothing."""
    account, chosen = Account(), CHECKS if checks is None else checks
    return Report([Line(check, _one_line(_looked(check, account))) for check in chosen])


def _looked(check: Check, account: Account) -> Finding:
    try:
        return check.look(account)
    except Unseen as unseen:
        return unseen.finding
    except DatabaseError as error:
        return fail(f"the database does not say: {_words(error)}", "See database.reachable.")
    except (RedisError, OperationalError) as error:
        return fail(f"Redis does not say: {_words(error)}", "See redis.reachable.")
    except Exception as error:
        # One check's own mistake must not hide what the others found.
        return fail(f"the check itself failed: {_words(error)}", "Report this as a bug.")


def _one_line(finding: Finding) -> Finding:
    return replace(finding, found=" ".join(finding.found.split()))


def _words(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__} {redact(first)}".strip().rstrip(".")
