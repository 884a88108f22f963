"""PostgreSQL as the settings use it: its time-outs, and behind PgBouncer."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, connection, connections
from django.test import Client

from tests.support.services import Site
from tests.support.settings import PRODUCTION, run, setting
from tools.processes import LOOPBACK, die_with_parent, free_ports, port_is_free, wait_until

POSTGRESQL = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def options(**variables: str) -> dict[str, Any]:
    databases = setting("DATABASES", **{**PRODUCTION, **variables})
    assert isinstance(databases, dict)
    return dict(databases["default"])


def test_statements_and_locks_have_time_outs() -> None:
    database = options(DATABASE_STATEMENT_TIMEOUT_S="7", DATABASE_LOCK_TIMEOUT_S="3")
    assert database["OPTIONS"]["options"].split("-c ")[1:] == [
        "statement_timeout=7s ",
        "lock_timeout=3s ",
        "idle_in_transaction_session_timeout=7s",
    ]


def test_behind_pgbouncer_there_are_no_cursors_and_options() -> None:
    database = options(DATABASE_PGBOUNCER="true")
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert "options" not in database["OPTIONS"]


def test_options_of_the_url_are_kept() -> None:
    url = f"{PRODUCTION['DATABASE_URL']}&options=-c%20search_path%3Drs"
    assert options(DATABASE_URL=url)["OPTIONS"]["options"].endswith("-c search_path=rs")


class TestTimeouts:
    pytestmark = POSTGRESQL

    def test_postgresql_has_them(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            assert cursor.fetchone() == ("10min",)

    def test_a_statement_gives_up_a_lock_that_another_one_holds(self) -> None:
        other = connections.create_connection("default")
        try:
            with other.cursor() as holder, connection.cursor() as waiter:
                holder.execute("BEGIN; LOCK TABLE auth_user")
                waiter.execute("SET lock_timeout = '10ms'")
                with pytest.raises(OperationalError, match="lock timeout"):
                    waiter.execute("SELECT 1 FROM auth_user")
        finally:
            other.close()
            connection.close()

    def test_a_process_that_stands_still_lets_go_of_its_rows(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('idle_in_transaction_session_timeout')")
            assert cursor.fetchone() == ("10min",)
        frozen = connections.create_connection("default")
        try:
            with frozen.cursor() as holder, connection.cursor() as waiter:
                holder.execute("SET idle_in_transaction_session_timeout = '50ms'")
                holder.execute("BEGIN; LOCK TABLE auth_user")
                # It waits for the lock, until PostgreSQL has ended the other session.
                waiter.execute("SELECT count(*) FROM auth_user")
                with pytest.raises(DatabaseError, match="idle-in-transaction"):
                    holder.execute("SELECT 1")
        finally:
            frozen.close()
            connection.close()


@pytest.fixture
def pgbouncer(transactional_db: None) -> Iterator[str]:
    """Yield the URL of the test database behind PgBouncer, with two connections."""
    if not shutil.which("pgbouncer"):
        pytest.skip("there is no pgbouncer here: apt-get install pgbouncer")
    [port] = free_ports(1)
    database = connection.settings_dict
    server = " ".join(
        f"{key}={database[name]}"
        for key, name in {"host": "HOST", "port": "PORT", "password": "PASSWORD"}.items()
        if database[name]
    )
    folder = Path(tempfile.mkdtemp(prefix="rs-tests-"))
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = {server} user={database['USER']}\n"
        f"[pgbouncer]\nlisten_addr = {LOOPBACK}\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        # It refuses root, as PostgreSQL does.
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        shutil.chown(folder, nobody.pw_uid, nobody.pw_gid)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["pgbouncer", folder / "pgbouncer.ini"],
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
            **user,
        )
    wait_until(lambda: not port_is_free(port), "PgBouncer listens")
    yield f"postgres://{database['USER']}@{LOOPBACK}:{port}/{database['NAME']}"
    process.kill()
    process.wait()
    shutil.rmtree(folder)


@pytest.mark.services
class TestBehindPgBouncer:
    pytestmark = POSTGRESQL

    def test_every_page_works(self, pgbouncer: str, tmp_path: Path) -> None:
        owner = User.objects.create_superuser("sam", password="password")
        for number in range(30):
            User.objects.create_user(f"person{number}")
        client = Client()
        client.force_login(owner)
        cookie = f"sessionid={client.cookies['sessionid'].value}"
        site = Site(tmp_path)
        site.start(DATABASE_URL=pgbouncer, DATABASE_PGBOUNCER="true")
        try:
            pages = [*PAGES] * 8
            with ThreadPoolExecutor(8) as visitors:
                statuses = list(visitors.map(lambda page: _status(site, page, cookie), pages))
        finally:
            site.stop()
        assert statuses == [200] * len(pages)

    def test_rows_are_read_to_the_end_among_other_transactions(self, pgbouncer: str) -> None:
        for number in range(30):
            User.objects.create_user(f"person{number}")
        variables = {"DATABASE_URL": pgbouncer, "DATABASE_PGBOUNCER": "true"}
        result = run(READ_AMONG_OTHERS, ENVIRONMENT="development", **variables)
        assert result.stdout.strip() == "30", result.stderr


#: With lists and with selects of rows.
PAGES = ("/notifications/", "/admin/", "/admin/auth/user/", "/admin/core/contact/add/")
READ_AMONG_OTHERS = """
import django, threading
django.setup()
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

def hold():
    # Takes the server connection that the reader has just used.
    with transaction.atomic():
        User.objects.count()
        held.set()
        done.wait(60)
    connection.close()

held, done = threading.Event(), threading.Event()
rows = User.objects.iterator(chunk_size=1)
read = [next(rows)]
other = threading.Thread(target=hold)
other.start()
held.wait(60)
try:
    read += rows
finally:
    done.set()
    other.join()
print(len(read))
"""


def _status(site: Site, page: str, cookie: str) -> int:
    asked = HTTPConnection(LOOPBACK, site.port, timeout=60)
    asked.request("GET", page, headers={"Cookie": cookie, "Host": f"localhost:{site.port}"})
    answer = asked.getresponse()
    answer.read()
    return answer.status
