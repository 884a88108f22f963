"""Answer SNS, which posts the events of SES here."""

import logging

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.core.delivery import wakeups
from apps.core.states import Via

from . import sns_messages
from .sns_envelope import TryAgainLater, UntrustedMessage

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def sns(request: HttpRequest) -> HttpResponse:
    """Answer 2xx if the message is stored, 4xx if it is not trusted, 5xx to have it sent again.

    SNS takes a 4xx as final (https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html).
    """
    try:
        stand_ins = sns_messages.receive(request.body, Via.WEBHOOK)
    except sns_messages.AlreadyStored:
        # Not an error: after a 4xx, SNS would put a stored message into the dead letters.
        return HttpResponse("known already\n", content_type="text/plain")
    except UntrustedMessage as error:
        logger.warning("message to the SNS endpoint refused: %s", error)
        return HttpResponse(f"refused: {error}\n", status=403, content_type="text/plain")
    except TryAgainLater as error:
        logger.warning("message to the SNS endpoint not checked: %s", error)
        return HttpResponse("try again\n", status=503, content_type="text/plain")
    except DatabaseError as error:
        logger.warning("message to the SNS endpoint not stored: %s", type(error).__name__)
        return HttpResponse("try again\n", status=503, content_type="text/plain")
    wakeups.wake(stand_ins)
    return HttpResponse("ok\n", content_type="text/plain")
