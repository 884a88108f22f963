"""The requests of the page's fault buttons: each adds a rule, or ends rules."""

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from sandbox.store import Channel

from . import buttons, client
from .sentences import NOUNS, PROVIDERS

#: The parameters of the page's address that a button keeps.
PAGE_STATE = ("person", "address", "email", "providers")


@require_POST
def add_for_next_message(request: HttpRequest) -> HttpResponse:
    """Add `fault` for the next message of `channel` to the address `to`."""
    channel = _channel(request)
    button = buttons.find(channel, request.POST.get("fault", ""))
    to = request.POST.get("to")
    if button is None or not to:
        raise Http404
    done = f"{button.label}: the next {NOUNS[channel]} to {to}."
    return _act(request, lambda: _add_rule(channel, to, button.fields), done)


@require_POST
def set_provider(request: HttpRequest) -> HttpResponse:
    """Add `fault` for the whole `channel`, or without a fault end those of the channel."""
    channel = _channel(request)
    name = PROVIDERS[channel]
    if not (fault := request.POST.get("fault")):
        return _act(request, lambda: _end_rules(channel), f"{name} works normally again.")
    if fault not in buttons.SWITCHES:
        raise Http404
    button = buttons.SWITCHES[fault]
    fields = {"channel": channel, **button.fields}
    return _act(request, lambda: client.add_rule(fields), f"{name}: {button.label}.")


@require_POST
def end(request: HttpRequest, rule_id: int) -> HttpResponse:
    """End one rule; succeed also if it has ended meanwhile."""
    return _act(request, lambda: client.end_rule(rule_id), "The fault has ended.")


def _channel(request: HttpRequest) -> Channel:
    channel = request.POST.get("channel")
    if channel not in PROVIDERS:
        raise Http404
    return cast("Channel", channel)


def _add_rule(channel: Channel, to: str, fields: Mapping[str, Any]) -> None:
    rule = {"channel": channel, "to": to, "times": 1, **fields}
    # Only the newest rule about events applies to a message. Merge earlier ones into it: "Bounce"
    # and "Events 20 s late" are meant for the same message.
    earlier = buttons.scripts_for_next(client.rules(), channel, to) if "events" in fields else {}
    for script in earlier.values():
        rule["events"] = script.model_dump() | fields["events"]
    client.add_rule(rule)
    for rule_id in earlier:
        client.end_rule(rule_id)


def _end_rules(channel: Channel) -> None:
    for rule in client.rules():
        if buttons.is_for_everyone(rule, channel):
            client.end_rule(rule.id)


def _act(request: HttpRequest, action: Callable[[], None], done: str) -> HttpResponse:
    try:
        action()
    except client.SandboxError as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, done)
    return back_to_page(request)


def back_to_page(request: HttpRequest) -> HttpResponse:
    """Redirect to the page with the parameters that a button keeps."""
    query = {name: value for name in PAGE_STATE if (value := request.POST.get(name))}
    url = reverse("sandbox:inbox")
    return redirect(f"{url}?{urlencode(query)}" if query else url)
