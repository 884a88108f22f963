"""The page of one message: what it said, what became of it, and how it was delivered."""

import uuid

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.core.audit import story
from apps.core.message import stored_words
from apps.core.models import Notification
from apps.site.office import may_see_people
from apps.site.sign_in import SignedInRequest, sign_in_required

from .. import threads
from ..links import local_path


@sign_in_required
@require_safe
def show(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """Show the message to its recipient and to the office; to others it does not exist."""
    rows = story.with_story(Notification.objects.select_related("recipient__contact", "about_type"))
    if not may_see_people(request.user):
        rows = rows.visible_to(request.user)
    notification = get_object_or_404(rows, pk=pk)
    is_own = notification.recipient_id == request.user.pk
    context = {
        "notification": notification,
        "because": stored_words.settlement(notification.settled_because),
        "is_own": is_own,
        "link": local_path(notification.action_url) if is_own else "",
        "subject": threads.subject(request.user, notification),
        "thread": threads.thread(notification.recipient, notification).exclude(pk=pk),
        "ways": story.of(notification),
        "now": timezone.now(),
    }
    return render(request, "people/message.html", context)
