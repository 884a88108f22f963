"""The database, which is the queue of record."""

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from ..redaction import redact
from .account import Account
from .findings import Area, Finding, fail, ok

area = Area("Database", "database")


@area.check
def reachable(account: Account) -> Finding:
    """Whether it answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        words = redact(str(error).strip().partition("\n")[0])
        return fail(
            f"{connection.display_name} does not answer: {words}",
            "Check DATABASE_URL and the way to it.",
        )
    return ok(f"{connection.display_name} answers")


@area.check
def migrations(account: Account) -> Finding:
    """Whether its tables are those of this version."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = ", ".join(f"{each.app_label}.{each.name}" for each, _ in missing[:3])
        return fail(f"{len(missing)} to be applied: {names}", "Run `manage.py migrate`.")
    return ok("all applied")


@area.check
def engine(account: Account) -> Finding:
    """Whether it is one for this environment."""
    name = connection.display_name
    if connection.vendor == "postgresql":
        return ok(name)
    if settings.ENVIRONMENT == "development":
        return ok(f"{name} (development)")
    return fail(
        f"{name} in {settings.ENVIRONMENT}: workers of other hosts cannot share it",
        "Use PostgreSQL: DATABASE_URL=postgres://….",
    )
