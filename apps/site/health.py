"""Tell a load balancer whether this process runs, and whether it should get requests."""

import logging
import time
from collections.abc import Callable

from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)

#: Seconds for which a process that has worked stays ready while the database does not answer. All
#: nodes share it: a failover must not take them all out at once.
GRACE_S = 60.0


class Readiness:
    """What this process knows of the database; `worked_at` by the monotonic clock."""

    worked_at: float | None = None


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if the database accepts writes now, and 503 if it does not."""
    problem = _refused_write()
    return _answer(503, problem) if problem else _answer(200, "ok")


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Answer 200: the process takes requests. It asks nothing outside the process."""
    return _answer(200, "ok")


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 if this process can work, or could less than GRACE_S ago."""
    problem = _refused_write() or _unmigrated()
    if not problem:
        Readiness.worked_at = time.monotonic()
        return _answer(200, "ok")
    worked_at = Readiness.worked_at
    if worked_at is not None and time.monotonic() - worked_at < GRACE_S:
        return _answer(200, f"ok; for now {problem}")
    return _answer(503, problem)


#: The views by their paths. The middleware answers them.
PATHS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz": healthz,
    "/health/live": live,
    "/health/ready": ready,
}


def _refused_write() -> str:
    """Return why the database cannot be used, or "" if it accepts writes."""
    try:
        # Changes no row. A replica or a read-only database refuses it all the same.
        Session.objects.filter(pk="").update(session_data="")
    except DatabaseError as error:
        logger.warning("not healthy, the database accepts no writes: %s", error)
        return "the database accepts no writes"
    return ""


def _unmigrated() -> str:
    """Return what is missing in the database, until the process has worked once."""
    if Readiness.worked_at is not None:
        return ""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return "the database lacks migrations of this version"
    return ""


def _answer(status: int, text: str) -> HttpResponse:
    text = text if text == "ok" else f"{text}\n"
    return HttpResponse(text, status=status, content_type="text/plain")
