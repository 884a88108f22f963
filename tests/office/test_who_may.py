"""Every address of the site outside the admin, asked by people who have no business there."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from apps.core.models import BrandVersion, Delivery, Notification, Suppression
from apps.office.models import Announcement
from apps.repairs.models import Company, Profile, Repair, RepairEvent, Role

pytestmark = pytest.mark.sqlite

#: Other tests ask the admin; only development has the rest.
ELSEWHERE = {"admin", "sandbox"}
#: What everyone may open without signing in.
PUBLIC = {
    "aws-sns",
    "brand-css",
    "brand-logo",
    "contact:confirm-email",
    "forgotten-password",
    "login",
    "logout",
    "manifest",
    "metrics",
    "new-password",
    "offline",
    "repairs:photo-too-large",
    "repairs:public-photo",
    "unsubscribe",
    "worker",
}
#: Words of the fleet and of its people, which no page may show to others.
SECRET = ("Redwood", "2021 Volvo", "person1@")
#: What the forms of the site ask for, as far as one form can give it.
FORM = {
    "reason": "Because.",
    "why": "Because.",
    "estimate": "10.00",
    "cost": "10.00",
    "title": "Hello",
    "text": "Hello all.",
    "priority": "20",
    "username": "person1",
    "email": "mallory@evil.example",
    "phone": "+12025550199",
    "name": "Mallory",
    "after": "1",
    "confirm": "yes",
}
#: The columns that say whose row it is.
OWNERS = ("user_id", "recipient_id")
ROLES = ["anonymous", "manager", "technician", "temp", "viewer"]


def addresses(resolver: Any = None, space: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name of each address and of its arguments."""
    for each in (resolver or get_resolver()).url_patterns:
        if isinstance(each, URLResolver):
            if (inner := each.namespace or space) not in ELSEWHERE:
                yield from addresses(each, inner)
        elif each.name:
            name = f"{space}:{each.name}" if space else each.name
            yield name, tuple(each.pattern.regex.groupindex)


ADDRESSES = sorted(set(addresses()))


@pytest.fixture
def paths(rows: None, batched: Repair) -> dict[str, str]:
    """The path of each address, with something that is there to act on."""
    author = User.objects.create_superuser("author")
    person = User.objects.get(username="person1")
    message = Notification.objects.get(recipient=person)
    event = RepairEvent.objects.filter(repair=batched).first()
    assert batched.batch
    assert event
    pks = {
        "account": person.pk,
        "notifications": message.pk,
        "office": person.pk,
        "office:announcement": Announcement.objects.create(title="Shut", text="So.").pk,
        "office:sent": message.pk,
        "office:use-brand-again": BrandVersion.objects.create(number=1, name="Co", by=author).pk,
        "repairs": batched.pk,
        "repairs:batch": batched.batch.pk,
        "repairs:undo": event.pk,
    }
    values = {
        "delivery": Delivery.objects.filter(notification=message).values_list("pk", flat=True)[0],
        "suppression": Suppression.objects.values_list("pk", flat=True)[0],
        "channel": "email",
        "kind": "repair_approved",
        "language": "en",
        "shape": "email",
        "number": 1,
        "group": "nobody",
        "token": "nonsense",
        "uidb64": "MQ",
        "sha256": "0" * 64,
    }
    return {name: path_of(name, arguments, pks, values) for name, arguments in ADDRESSES}


def path_of(
    name: str, arguments: tuple[str, ...], pks: dict[str, Any], values: dict[str, Any]
) -> str:
    space, _, own = name.partition(":")
    subject = f"{space}:{own.rpartition('-')[2]}"
    found = [
        pks[key] for key in (name, subject, f"{space}:{own.partition('-')[0]}", space) if key in pks
    ]
    chosen = {key: found[0] if key == "pk" else values[key] for key in arguments}
    return reverse(name, kwargs=chosen)


def others(actor: User | None) -> dict[str, list[dict[str, Any]]]:
    """Return every row that is not the actor's own."""
    mine = actor.pk if actor else 0
    rows = {
        model._meta.label: model._default_manager.order_by("pk")
        for model in apps.get_models()
        if model._meta.label != "sessions.Session"
    }
    rows["auth.User"] = rows["auth.User"].exclude(pk=mine)
    rows["core.Delivery"] = rows["core.Delivery"].exclude(notification__recipient=mine)
    return {
        label: [row for row in found.values() if mine not in map(row.get, OWNERS)]
        for label, found in rows.items()
    }


def sign_in(client: Client, role: str) -> User | None:
    """Sign in as a visitor, another fleet's manager, a technician, or staff of two sorts."""
    if role == "anonymous":
        return None
    user = User.objects.create_user(role, is_staff=role in ("temp", "viewer"))
    if role == "viewer":
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    if role == "manager":
        other = Company.objects.create(name="Lakeside")
        Profile.objects.create(user=user, role=Role.MANAGER, company=other)
    if role == "technician":
        Profile.objects.create(user=user, role=Role.TECHNICIAN)
    client.force_login(user)
    return user


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_changes_what_is_not_theirs(
    client: Client, paths: dict[str, str], role: str, method: str
) -> None:
    actor = sign_in(client, role)
    before = others(actor)
    for name, path in paths.items():
        if name != "logout":
            answer = getattr(client, method)(path, FORM if method == "post" else {})
            assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, path
    assert others(actor) == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_visitor_is_asked_to_sign_in(client: Client, paths: dict[str, str], method: str) -> None:
    for name in paths.keys() - PUBLIC:
        answer = getattr(client, method)(paths[name])
        is_asked = answer.headers.get("Location", "").startswith("/login/")
        # The bell, which htmx asks for, answers with a status instead.
        refused = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UNAUTHORIZED}
        assert is_asked or answer.status_code in refused, paths[name]


@pytest.mark.parametrize("role", ["manager", "technician", "temp"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_office_s_pages_are_the_office_s(
    client: Client, paths: dict[str, str], role: str, method: str
) -> None:
    sign_in(client, role)
    refused = {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED}
    for name, path in paths.items():
        if name.startswith("office:"):
            assert getattr(client, method)(path).status_code in refused, path


def test_another_fleet_s_manager_reads_nothing_of_this_one(
    client: Client, paths: dict[str, str]
) -> None:
    sign_in(client, "manager")
    for name, path in paths.items():
        if name != "logout":
            page = b"".join(client.get(path)).decode(errors="replace")
            assert not [word for word in SECRET if word in page], path
