"""Runs the doctor's checks, each by itself. It changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.aws.account import Account
from apps.core.audit.findings import Finding, Status, Unseen, fail
from apps.core.redaction import redact

from . import checks
from .checks import Check


@dataclass(frozen=True)
class Examined:
    """A check, and what it found."""

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


def examine(*prefixes: str) -> list[Examined]:
    """Run the checks whose ids begin with one of these, or all; never raises for what they find."""
    account = Account()
    chosen = [check for check in checks.CHECKS if check.id.startswith(prefixes or "")]
    return [Examined(check, _on_one_line(_look(check, account))) for check in chosen]


def count(examined: Iterable[Examined], status: Status) -> int:
    return sum(each.finding.status == status for each in examined)


def _look(check: Check, account: Account) -> Finding:
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


def _on_one_line(finding: Finding) -> Finding:
    return replace(finding, found=" ".join(finding.found.split()))


def _words(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__} {redact(first)}".strip().rstrip(".")
