import json
import sys
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet

from apps.core.addresses import canonical
from apps.core.audit import story
from apps.core.models import Notification
from apps.core.models.fields import to_e164
from apps.office import reach
from apps.office.search import find_people, read_uuid
from apps.site import numbers, told
from apps.site.told import Told

USUAL, MOST = 10, 1000


class Command(BaseCommand):
    help = (
        "Tell why a message did or did not reach someone: its decisions, attempts and answers, and "
        "what follows. Exit with 1 if any message shown has reached nobody outside the app by any "
        "way, and with 2 if nothing has this name."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what",
            type=_name,
            help="a name, a user name, an e-mail address, a phone number, R-1042, B-1007, or the "
            "id of a notification or a delivery",
        )
        parser.add_argument(
            "--last",
            type=_count,
            default=USUAL,
            metavar="N",
            help=f"the newest N messages ({USUAL})",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        user, which = _find(options["what"])
        rows = Notification.objects.filter(which).select_related("recipient")
        newest = story.with_story(rows.order_by("-created_at", "-pk")[: options["last"]])
        found = [told.tell(row) for row in reversed(newest)]
        obstacles = reach.explain([user])[0].obstacles if user else []
        if options["json"]:
            document = {
                "messages": [_as_dict(each) for each in found],
                "obstacles": [asdict(each) for each in obstacles],
            }
            self.stdout.write(json.dumps(document, cls=DjangoJSONEncoder))
        else:
            self._tell(found, obstacles)
        if any(each.has_failed for each in found):
            sys.exit(1)

    def _tell(self, found: list[Told], obstacles: list[reach.Obstacle]) -> None:
        for each in obstacles:
            self.stdout.write(
                self.style.WARNING(f"Now: {each.channel}: {each.reason}. {each.mend}")
            )
        for one in found:
            self._tell_message(one)
        if not found:
            self.stdout.write("No message was ever made.")

    def _tell_message(self, one: Told) -> None:
        row = one.notification
        style = self.style.ERROR if one.has_failed else self.style.SUCCESS
        self.stdout.write(style(f"{row.title or '(erased)'}, to {one.name}, {row.kind}"))
        read = f"read {story.clock(row.read_at)}" if row.read_at else "not read yet"
        self.stdout.write(f"  In the app: {story.clock(row.visible_from)}, {read}.  [{row.pk}]")
        if not one.ways:
            self.stdout.write("  Messages of this kind and priority go in the app only.")
        for way in one.ways:
            follows = f" {way.next_words}." if way.next else ""
            self.stdout.write(f"  {way.channel}: {way.sentence}{follows}  [{way.id}]")
            if way.reason:
                by = f", {way.by}" if way.by else ""
                decider = f" ({way.decider}{by})" if way.decider else ""
                self.stdout.write(f"    Why: {way.reason}{decider}.")
            for step in way.steps:
                words = "  ".join(filter(None, (step.what, step.source, step.code, step.detail)))
                self.stdout.write(f"    {story.clock(step.at)}  {words}")


def _name(text: str) -> str:
    if not text.strip():
        raise ArgumentTypeError("give a name; it must not be empty")
    return text.strip()


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST:
        raise ArgumentTypeError(f"write a whole number from 1 to {MOST:,}, not {text!r}")
    return int(text)


def _find(what: str) -> tuple[User | None, Q]:
    """Return the person, if one is meant, and which notifications; raise CommandError."""
    if key := read_uuid(what):
        which = Q(pk=key) | Q(deliveries=key)
        if Notification.objects.filter(which).exists():
            return None, Q(pk__in=Notification.objects.filter(which).values("pk"))
        raise CommandError(f"No notification or delivery has the id {what}.", returncode=2)
    if rows := numbers.find(what):
        return None, told.about(rows)
    people = _people(what)
    match list(people[:2]):
        case [user]:
            return user, Q(recipient=user)
        case []:
            raise CommandError(
                f"{what} is no name, e-mail address, phone number, repair, batch or id that "
                "is known here.",
                returncode=2,
            )
    names = ", ".join(each.get_username() for each in people)
    raise CommandError(f"Several people have {what}: {names}. Give a user name.", returncode=2)


def _people(what: str) -> QuerySet[User]:
    """Return who has exactly this name, address or number, or else whom a search finds by it."""
    exact = User.objects.filter(
        Q(username__iexact=what)
        | Q(email__iexact=what)
        | Q(contact__email=canonical(what))
        | Q(contact__phone__in=_phone(what))
    ).distinct()
    if exact.exists():
        return exact
    return User.objects.filter(pk__in=find_people(what)).order_by("username")


def _phone(what: str) -> list[str]:
    try:
        return [to_e164(what)]
    except ValidationError:
        return []


def _as_dict(one: Told) -> dict[str, Any]:
    row = one.notification
    return {
        "notification": row.pk,
        "kind": row.kind,
        "title": row.title,
        "to": row.recipient.get_username(),
        "visible_from": row.visible_from,
        "read_at": row.read_at,
        "has_failed": one.has_failed,
        "ways": [asdict(way) for way in one.ways],
    }
