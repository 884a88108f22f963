"""Checks of the database, which is the queue of record."""

import os
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.aws.account import Account
from apps.core.audit.findings import Finding, fail, ok, warn
from apps.core.models import Mark
from apps.core.redaction import redact

#: Of libpq's modes, those that never go on without TLS
#: (https://www.postgresql.org/docs/current/libpq-ssl.html).
ENCRYPTING = ("require", "verify-ca", "verify-full")
_HERE = ("localhost", "127.0.0.1", "::1")


def reachable(account: Account) -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return fail(
            f"{connection.display_name} does not answer: {_words(error)}",
            "Check DATABASE_URL and the way to it.",
        )
    return ok(f"{connection.display_name} answers")


def writable(account: Account) -> Finding:
    """Check that the database accepts a write, which is rolled back."""
    try:
        with transaction.atomic():
            Mark.objects.create(name=f"doctor {uuid4().hex}", at=timezone.now())
            transaction.set_rollback(True)
    except DatabaseError as error:
        return fail(
            f"{connection.display_name} refuses a write: {_words(error)}",
            "Name the primary in DATABASE_URL, and look at the database's disk and rights.",
        )
    return ok("a write was accepted")


def migrations(account: Account) -> Finding:
    """Check that every migration is applied."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = ", ".join(f"{each.app_label}.{each.name}" for each, _ in missing[:3])
        return fail(f"{len(missing)} to be applied: {names}", "Run `manage.py migrate`.")
    return ok("all applied")


def engine(account: Account) -> Finding:
    """Check that it is PostgreSQL, except in development."""
    name = connection.display_name
    if connection.vendor == "postgresql":
        return ok(name)
    if settings.ENVIRONMENT == "development":
        return ok(f"{name} (development)")
    return fail(
        f"{name} in {settings.ENVIRONMENT}: workers of other hosts cannot share it",
        "Use PostgreSQL: DATABASE_URL=postgres://….",
    )


def tls(account: Account) -> Finding:
    """Check that a database on another host is reached over TLS only."""
    options = connection.settings_dict["OPTIONS"]
    host = str(options.get("host") or connection.settings_dict["HOST"])
    # No host, or a path, is a Unix socket.
    if connection.vendor != "postgresql" or host[:1] in ("", "/") or host in _HERE:
        return ok("on this host")
    mode = options.get("sslmode") or os.environ.get("PGSSLMODE", "prefer")
    if mode in ENCRYPTING:
        return ok(f"sslmode is {mode}")
    if settings.ENVIRONMENT == "development":
        return ok(f"sslmode is {mode} (development)")
    return warn(
        f"sslmode is {mode}: addresses and passwords may travel unencrypted",
        "Write ?sslmode=require, or verify-full with sslrootcert, at the end of DATABASE_URL.",
    )


def _words(error: DatabaseError) -> str:
    return redact(str(error).strip().partition("\n")[0])
