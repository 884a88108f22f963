"""The dev inbox: the messages that the sandbox accepted, person by person."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, F, Q
from django.db.models.functions import Now
from django.db.models.lookups import IsNull
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from . import buttons, client, fault_views
from .application import Notification, Suppression
from .links import links
from .people import Person, everyone
from .sentences import describe

#: The limits of one page; the sandbox keeps more.
MAX_MESSAGES = 200
MAX_PEOPLE = 200
MAX_NOTIFICATIONS = 20
MAX_CHARACTERS = 200_000

#: An e-mail may neither run scripts nor load anything.
FRAME_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_SEES = "The application sees that in SNS's list, which it reads every five minutes."
#: What a phone can answer, and what happens then.
ANSWERS = {
    "STOP": f"{_SEES} The receipt of the next text says it too.",
    "START": _SEES,
    "HELP": "SNS answers by itself, and the application hears nothing of it.",
}
VIEWS = {"rendered": "Rendered", "text": "Text", "headers": "Headers", "source": "Source"}


class Reading(NamedTuple):
    """The sandbox's messages and rules, or the sentence that says why there are none."""

    messages: list[client.Email | client.Sms]
    rules: list[client.ActiveRule]
    replies: list[client.Reply]
    version: str
    trouble: str = ""


@never_cache
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Show the people, and the messages of one with `?person=USERNAME` or `?address=…`.

    `&email=ID` opens an e-mail, `&view=` chooses a tab. Without a person, show the providers and
    their faults; on a phone only with `?providers=1`.
    """
    try:
        context = _live(request.GET)
        if context["open_email"] and not context["trouble"]:
            context["reader"] = _reader(context["open_email"], request.GET.get("view", ""))
    except (Http404, client.NoSuchMessage):
        return render(request, "sandbox/gone.html", status=404)
    except client.SandboxError as error:
        context.update(trouble=str(error), token="")
    return render(request, "sandbox/inbox.html", context)


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Return the part of the page that updates itself, or 204 if the page is up to date."""
    if request.GET.get("seen") == _token(_read(1).version):
        return HttpResponse(status=204)
    return render(request, "sandbox/_live.html", _live(request.GET))


@require_POST
def clear(request: HttpRequest) -> HttpResponse:
    """Delete the messages in the sandbox; notifications in the app stay."""
    try:
        client.clear()
    except client.SandboxError as error:
        messages.error(request, f"Nothing was cleared. {error}")
    else:
        messages.success(request, "The sandbox is empty.")
    query = f"?{urlencode({'person': name})}" if (name := request.POST.get("person")) else ""
    return redirect(reverse("sandbox:inbox") + query)


@require_POST
def reply(request: HttpRequest) -> HttpResponse:
    """Answer `text` from the phone `phone`, as its owner would."""
    phone, text = request.POST.get("phone", ""), request.POST.get("text", "")
    if not phone or text not in ANSWERS:
        raise Http404
    try:
        client.reply(phone, text)
    except client.SandboxError as error:
        messages.error(request, f"Nothing was answered. {error}")
    else:
        messages.success(request, f"{phone} answered {text}. {ANSWERS[text]}")
    return fault_views.back_to_page(request)


@never_cache
@require_safe
def events(request: HttpRequest, message_id: str) -> HttpResponse:
    """Return the part of an open e-mail that updates itself: its events."""
    try:
        email = client.email(message_id)
    except client.NoSuchMessage as error:
        raise Http404 from error
    except client.SandboxError:
        return HttpResponse(status=503)
    return render(request, "sandbox/_events.html", {"email": email})


@never_cache
@require_safe
@xframe_options_sameorigin
def frame(request: HttpRequest, message_id: str) -> HttpResponse:
    """Return the HTML of one e-mail as a document of its own, without scripts."""
    try:
        html = client.email(message_id).html
        status = 200 if html is not None else 404
    except client.NoSuchMessage:
        html, status = None, 404
    except client.SandboxError:
        html, status = None, 503
    answer = HttpResponse(html or "This cannot be shown.", status=status)
    answer["Content-Security-Policy"] = FRAME_POLICY
    return answer


def _read(limit: int) -> Reading:
    try:
        page, rules, replies = client.newest(limit), client.rules(), client.replies()
    except client.SandboxError as error:
        return Reading([], [], [], version="down", trouble=str(error))
    answered = [f"r{len(replies)}"] if replies else []
    used = (f"{rule.id}.{rule.used}" for rule in rules)
    version = "-".join([page.version, *answered, *used])
    return Reading(page.messages, rules, replies, version)


def _token(version: str) -> str:
    """Return a text that changes whenever the page would; times on the page change each minute."""
    notifications = Notification.objects.filter(visible_from__lte=Now()).aggregate(
        shown=Count("pk"), unread=Count("pk", filter=Q(read_at=None))
    )
    suppressed = Suppression.objects.in_force().count()
    minute = int(timezone.now().timestamp()) // 60
    return f"{version}-{notifications['shown']}-{notifications['unread']}-{suppressed}-{minute}"


def _live(query: QueryDict) -> dict[str, Any]:
    reading = _read(MAX_MESSAGES)
    token = _token(reading.version)
    people = everyone(reading.messages, reading.replies)
    person = _chosen(people, query)
    return {
        "token": token,
        "trouble": reading.trouble,
        "total": len(reading.messages),
        "max_messages": MAX_MESSAGES,
        "people": people[:MAX_PEOPLE],
        "people_left_out": len(people[MAX_PEOPLE:]),
        "person": person,
        "shows_providers": "providers" in query and not person,
        **_faults(reading, people, person),
        "answers": list(ANSWERS),
        "open_email": query.get("email", "") if person else "",
        **(_notifications(person) if person else {}),
    }


def _faults(reading: Reading, people: list[Person], person: Person | None) -> dict[str, Any]:
    names = {address.casefold(): one.name for one in people for address in one.addresses}
    return {
        "in_force": [(rule.id, describe(rule, names)) for rule in reversed(reading.rules)],
        "providers": buttons.providers(reading.rules),
        "switches": buttons.SWITCHES,
        "panels": [buttons.panel(to) for to in person.addresses] if person else [],
    }


def _chosen(people: list[Person], query: QueryDict) -> Person | None:
    if username := query.get("person"):
        for person in people:
            if person.contact and person.username == username:
                return person
        raise Http404
    if address := query.get("address"):
        others = (person for person in people if not person.contact)
        found = (one for one in others if one.name.casefold() == address.casefold())
        return next(found, Person(address))
    return None


def _notifications(person: Person) -> dict[str, Any]:
    """Return the person's notifications in the order of their own page."""
    if not person.contact:
        return {}
    visible = Notification.objects.visible_to(person.contact.user)
    count = visible.count()
    ordered = visible.order_by(IsNull(F("read_at"), False), "-visible_from")
    return {
        "notifications": ordered[:MAX_NOTIFICATIONS],
        "notifications_left_out": max(0, count - MAX_NOTIFICATIONS),
    }


def _reader(email_id: str, view: str) -> dict[str, Any]:
    email = client.email(email_id)
    views = {name: label for name, label in VIEWS.items() if name != "rendered" or email.html}
    body = email.source if view == "source" else email.text or ""
    return {
        "email": email,
        "views": views,
        "view": view if view in views else next(iter(views)),
        "body": body[:MAX_CHARACTERS],
        "left_out": max(0, len(body) - MAX_CHARACTERS),
        "full_url": f"{client.address()}/api/messages/{email.id}",
        "links": links(email.html or ""),
    }
