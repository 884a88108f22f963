"""The dev inbox: what the stand-ins for SES and SNS were sent, person by person."""

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

from . import faults, feed
from .links import links
from .people import Person, everyone
from .rows import Notification, Suppression

#: How much one page shows; the sandbox itself keeps far more.
MOST_MESSAGES = 200
MOST_PEOPLE = 200
MOST_NOTIFICATIONS = 20
MOST_CHARACTERS = 200_000

#: A message may neither run anything nor load anything from elsewhere.
FRAME_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

VIEWS = {"rendered": "Rendered", "text": "Text", "headers": "Headers", "source": "Source"}


class Reading(NamedTuple):
    """What came from the sandbox, or the sentence that says why nothing did."""

    messages: list[feed.Email | feed.Sms]
    rules: list[feed.Rule]
    mark: str
    trouble: str = ""


@never_cache
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """The people and, with `?person=USERNAME` or `?address=…`, what one of them got.

    `&email=ID` opens one of the e-mails, `&view=` one way to look at it. Without a person, the
    providers and their faults; `?providers=1` shows these on a phone too.
    """
    try:
        context = _live(request.GET)
        if context["open_email"] and not context["trouble"]:
            context["reader"] = _reader(context["open_email"], request.GET.get("view", ""))
    except (Http404, feed.NoSuchMessage):
        return render(request, "sandbox/gone.html", status=404)
    except feed.FeedError as error:
        context.update(trouble=str(error), token="")
    return render(request, "sandbox/inbox.html", context)


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The part of the page that keeps up by itself; 204 where it shows the latest already."""
    if request.GET.get("seen") == _token(_read(1).mark):
        return HttpResponse(status=204)
    return render(request, "sandbox/_live.html", _live(request.GET))


@require_POST
def clear(request: HttpRequest) -> HttpResponse:
    """Empty the sandbox; what rang in the app stays."""
    try:
        feed.clear()
    except feed.FeedError as error:
        messages.error(request, f"Nothing was cleared. {error}")
    else:
        messages.success(request, "The sandbox is empty.")
    query = f"?{urlencode({'person': name})}" if (name := request.POST.get("person")) else ""
    return redirect(reverse("sandbox:inbox") + query)


@never_cache
@require_safe
def reported(request: HttpRequest, message_id: str) -> HttpResponse:
    """The part of an open e-mail that keeps up: what the application was told of it."""
    try:
        email = feed.email(message_id)
    except feed.NoSuchMessage as error:
        raise Http404 from error
    except feed.FeedError:
        return HttpResponse(status=503)
    return render(request, "sandbox/_reported.html", {"email": email})


@never_cache
@require_safe
@xframe_options_sameorigin
def frame(request: HttpRequest, message_id: str) -> HttpResponse:
    """The HTML of one e-mail, as a document that can do nothing but be looked at."""
    try:
        html = feed.email(message_id).html
        status = 200 if html is not None else 404
    except feed.NoSuchMessage:
        html, status = None, 404
    except feed.FeedError:
        html, status = None, 503
    answer = HttpResponse(html or "This cannot be shown.", status=status)
    answer["Content-Security-Policy"] = FRAME_POLICY
    return answer


def _read(limit: int) -> Reading:
    try:
        page, rules = feed.newest(limit), feed.rules()
    except feed.FeedError as error:
        return Reading([], [], mark="down", trouble=str(error))
    mark = "-".join([page.mark, *(f"{rule.id}.{rule.used}" for rule in rules)])
    return Reading(page.messages, rules, mark)


def _token(mark: str) -> str:
    """Another one whenever the page would look otherwise; its ages do so once a minute."""
    bells = Notification.objects.filter(visible_from__lte=Now()).aggregate(
        shown=Count("pk"), unread=Count("pk", filter=Q(read_at=None))
    )
    left_alone = Suppression.objects.in_force().count()
    minute = int(timezone.now().timestamp()) // 60
    return f"{mark}-{bells['shown']}-{bells['unread']}-{left_alone}-{minute}"


def _live(query: QueryDict) -> dict[str, Any]:
    reading = _read(MOST_MESSAGES)
    token = _token(reading.mark)
    people = everyone(reading.messages)
    person = _chosen(people, query)
    return {
        "token": token,
        "trouble": reading.trouble,
        "total": len(reading.messages),
        "most_messages": MOST_MESSAGES,
        "people": people[:MOST_PEOPLE],
        "people_left_out": len(people[MOST_PEOPLE:]),
        "person": person,
        "providing": "providers" in query and not person,
        **_faults(reading, people, person),
        "open_email": query.get("email", "") if person else "",
        **(_bell(person) if person else {}),
    }


def _faults(reading: Reading, people: list[Person], person: Person | None) -> dict[str, Any]:
    names = {address.casefold(): one.name for one in people for address in one.addresses}
    return {
        "in_force": [(rule.id, faults.words(rule, names)) for rule in reversed(reading.rules)],
        "providers": faults.providers(reading.rules),
        "switches": faults.SWITCHES,
        "panels": [faults.panel(to) for to in person.addresses] if person else [],
    }


def _chosen(people: list[Person], query: QueryDict) -> Person | None:
    if username := query.get("person"):
        for person in people:
            if person.contact and person.username == username:
                return person
        raise Http404
    if address := query.get("address"):
        strangers = (person for person in people if not person.contact)
        found = (one for one in strangers if one.name.casefold() == address.casefold())
        return next(found, Person(address))
    return None


def _bell(person: Person) -> dict[str, Any]:
    """The notifications in the order in which the person's own page has them."""
    if not person.contact:
        return {}
    visible = Notification.objects.visible_to(person.contact.user)
    count = visible.count()
    ordered = visible.order_by(IsNull(F("read_at"), False), "-visible_from")
    return {
        "notifications": ordered[:MOST_NOTIFICATIONS],
        "notifications_left_out": max(0, count - MOST_NOTIFICATIONS),
    }


def _reader(email_id: str, view: str) -> dict[str, Any]:
    email = feed.email(email_id)
    views = {name: label for name, label in VIEWS.items() if name != "rendered" or email.html}
    body = email.source if view == "source" else email.text or ""
    return {
        "email": email,
        "views": views,
        "view": view if view in views else next(iter(views)),
        "body": body[:MOST_CHARACTERS],
        "left_out": max(0, len(body) - MOST_CHARACTERS),
        "whole": f"{feed.address()}/api/messages/{email.id}",
        "links": links(email.html or ""),
    }
