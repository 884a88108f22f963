"""Where SNS posts what SES reports."""

import logging

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.core.delivery import wakeups
from apps.core.states import Via

from . import inbound
from .sns_envelope import Refused, Unavailable

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def sns(request: HttpRequest) -> HttpResponse:
    """2xx where the message is stored, 4xx where it is not to be believed, 5xx to have it again.

    SNS takes a 4xx as final (https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html).
    """
    try:
        stand_ins = inbound.take(request.body, Via.WEBHOOK)
    except inbound.Replayed:
        # Not an error: a 4xx would send a message that was stored to the dead letters.
        return HttpResponse("known already\n", content_type="text/plain")
    except Refused as error:
        logger.warning("message to the SNS endpoint refused: %s", error)
        return HttpResponse(f"refused: {error}\n", status=403, content_type="text/plain")
    except Unavailable as error:
        logger.warning("message to the SNS endpoint not checked: %s", error)
        return HttpResponse("try again\n", status=503, content_type="text/plain")
    except DatabaseError as error:
        logger.warning("message to the SNS endpoint not stored: %s", type(error).__name__)
        return HttpResponse("try again\n", status=503, content_type="text/plain")
    wakeups.wake(stand_ins)
    return HttpResponse("ok\n", content_type="text/plain")
