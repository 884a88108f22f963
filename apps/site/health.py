"""Tell a load balancer whether this process can work."""

import logging

from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if the database accepts writes, and 503 if it does not."""
    try:
        # Changes no row. A replica or a read-only database refuses it all the same.
        Session.objects.filter(pk="").update(session_data="")
    except DatabaseError as error:
        logger.warning("not healthy, the database accepts no writes: %s", error)
        return HttpResponse(
            "the database accepts no writes\n", status=503, content_type="text/plain"
        )
    return HttpResponse("ok", content_type="text/plain")
