"""The database is restored from a backup, by the commands of docs/operations.md."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from apps.core.models import Delivery
from apps.core.providers import memory
from tests.support.attempts import attempt
from tests.support.services import database_url
from tools.postgres import program
from tools.supervisor import ROOT

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def restored_url() -> Iterator[str]:
    """The URL of an empty database beside that of this test."""
    name = f"{connection.settings_dict['NAME']}_restored"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
        yield f"{database_url()}_restored"
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def pg(name: str, *options: str) -> None:
    subprocess.run([program(name), *options], check=True, capture_output=True)


def test_what_left_after_the_backup_is_not_sent_again(
    delivery: Callable[..., Delivery], memory_providers: None, restored_url: str, tmp_path: Path
) -> None:
    sent = delivery()
    attempt(sent.pk)
    due = delivery()
    later = delivery(next_attempt_at=timezone.now() + timedelta(days=1))
    dump = str(tmp_path / "rs_systems.dump")
    pg("pg_dump", "--format=custom", f"--file={dump}", database_url())
    attempt(due.pk)
    assert len(memory.emails) == 2
    pg("pg_restore", "--clean", "--if-exists", f"--dbname={restored_url}", dump)

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        environment = os.environ | {"DATABASE_URL": restored_url}
        ended = subprocess.run(
            command, check=True, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        return ended.stdout

    assert "1 is left for a person" in manage("restored", "--yes")
    found: dict[str, Any] = json.loads(manage("ledger", "--json"))
    states = {state: count for state, count in found["states"].items() if count}
    assert (found["balances"], states) == (True, {"accepted": 1, "unknown": 1, "due": 1})
    with psycopg.connect(restored_url) as restored:
        query = "SELECT state FROM core_delivery WHERE id = %s"
        rows = [restored.execute(query, [row.pk]).fetchone() for row in (due, later)]
        assert rows == [("unknown",), ("due",)]
        # The trigger is restored as well.
        with pytest.raises(psycopg.DatabaseError, match="append"):
            restored.execute("DELETE FROM core_notificationdeliverylog")
