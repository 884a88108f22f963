"""The cockpit, and what a person does there about a channel."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.core.guards import circuit_breaker
from apps.core.message.user_text import clean_line
from apps.core.models import ChannelStop
from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel
from apps.site.htmx import HtmxRequest
from apps.site.office import office_only
from apps.site.sign_in import SignedInRequest

from .. import cockpit, resuming

#: Characters of the reason for a pause.
LONGEST_WHY = 200


class OfficeRequest(SignedInRequest, HtmxRequest):
    pass


@office_only("core.view_notification")
@require_safe
def show(request: OfficeRequest) -> HttpResponse:
    """Show whether messages flow; htmx asks for the figures alone."""
    template = "office/_cockpit.html" if request.htmx else "office/cockpit.html"
    return render(request, template, cockpit.context())


@office_only("core.change_channelstop")
@require_http_methods(["GET", "POST"])
def pause(request: OfficeRequest, channel: str) -> HttpResponse:
    """Ask for the reason, then stop the channel until a person resumes it."""
    chosen = _channel(channel)
    if request.method != "POST":
        context = {"spoken": cockpit.SPOKEN[chosen], "longest": LONGEST_WHY}
        return render(request, "office/pause.html", context)
    why = clean_line(request.POST.get("why", ""))[:LONGEST_WHY]
    if circuit_breaker.pause(chosen, _name(request), why):
        resuming.record(
            _stop(chosen, StopCause.PERSON), request.user, f"Paused {chosen.label}: {why}"
        )
        messages.success(request, f"Paused. {chosen.label}s wait until you resume them.")
    else:
        messages.info(request, "Another person has paused it already.")
    return _back()


@office_only("core.change_channelstop")
@require_POST
def resume(request: OfficeRequest, channel: str) -> HttpResponse:
    """End a person's pause, or what holds e-mail back for the reputation."""
    chosen = _channel(channel)
    cause = StopCause.PERSON
    if request.POST.get("cause") == StopCause.REPUTATION:
        cause = StopCause.REPUTATION
    stop = _stop(chosen, cause)
    if stop and resuming.resume(stop, request.user):
        messages.success(request, f"Resumed. {chosen.label}s that waited go out now.")
    else:
        messages.info(request, "It was resumed already.")
    return _back()


@office_only("core.change_channelstop")
@require_POST
def try_now(request: OfficeRequest, channel: str) -> HttpResponse:
    """Let the next delivery probe a channel that the provider stopped."""
    chosen = _channel(channel)
    stop = _stop(chosen, StopCause.PROVIDER)
    if stop and resuming.try_now(stop, request.user):
        messages.success(request, "The next message is tried now. If it is accepted, all follow.")
    else:
        messages.info(request, "The channel runs already.")
    return _back()


def _channel(name: str) -> Channel:
    if name not in Channel.values:
        raise Http404
    return Channel(name)


def _stop(channel: Channel, cause: StopCause) -> ChannelStop | None:
    return ChannelStop.objects.filter(channel=channel, cause=cause).first()


def _name(request: OfficeRequest) -> str:
    return request.user.get_full_name() or request.user.get_username()


def _back() -> HttpResponse:
    resuming.look_again()
    return redirect("office:cockpit")
