"""The buttons of the page: each puts a rule in force, or ends one."""

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from sandbox.store import Kind

from . import faults, feed

#: What of the page's address is kept by a button of it.
KEPT = ("person", "address", "email", "providers")


@require_POST
def next_message(request: HttpRequest) -> HttpResponse:
    """`channel`, `to` and `fault`: the next message of that channel to that address fails so."""
    channel = _channel(request)
    button = faults.button(channel, request.POST.get("fault", ""))
    to = request.POST.get("to")
    if button is None or not to:
        raise Http404
    done = f"{button.label}: the next {faults.NOUNS[channel]} to {to}."
    return _answer(request, lambda: _add(channel, to, button.fields), done)


@require_POST
def provider(request: HttpRequest) -> HttpResponse:
    """`channel` and `fault`: all of that provider fails so; without a fault, it is mended."""
    channel = _channel(request)
    name = faults.PROVIDERS[channel]
    if not (fault := request.POST.get("fault")):
        return _answer(request, lambda: _mend(channel), f"{name} works normally again.")
    if fault not in faults.SWITCHES:
        raise Http404
    button = faults.SWITCHES[fault]
    fields = {"channel": channel, **button.fields}
    return _answer(request, lambda: feed.add_rule(fields), f"{name}: {button.label}.")


@require_POST
def end(request: HttpRequest, rule_id: int) -> HttpResponse:
    """End one rule; that it has ended meanwhile is as well."""
    return _answer(request, lambda: feed.end_rule(rule_id), "It has ended.")


def _channel(request: HttpRequest) -> Kind:
    channel = request.POST.get("channel")
    if channel not in faults.PROVIDERS:
        raise Http404
    return cast("Kind", channel)


def _add(channel: Kind, to: str, says: Mapping[str, Any]) -> None:
    fields = {"channel": channel, "to": to, "times": 1, **says}
    # Of two rules about reports one would wait for the message after: who asks for a bounce and
    # for late reports means one message.
    earlier = faults.told_of_the_next(feed.rules(), channel, to) if "events" in says else {}
    for told in earlier.values():
        fields["events"] = told.model_dump() | says["events"]
    feed.add_rule(fields)
    for rule_id in earlier:
        feed.end_rule(rule_id)


def _mend(channel: Kind) -> None:
    for rule in feed.rules():
        if faults.for_everybody(rule, channel):
            feed.end_rule(rule.id)


def _answer(request: HttpRequest, act: Callable[[], None], done: str) -> HttpResponse:
    try:
        act()
    except feed.FeedError as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, done)
    return redirect(reverse("sandbox:inbox") + kept(request))


def kept(request: HttpRequest) -> str:
    """The query of the page that a button was on."""
    query = {name: value for name in KEPT if (value := request.POST.get(name))}
    return f"?{urlencode(query)}" if query else ""
