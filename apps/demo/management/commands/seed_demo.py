from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.demo import data


class Command(BaseCommand):
    help = "Write the demo (two fleets, ten people, forty repairs) into a development database."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ENVIRONMENT != "development":
            raise CommandError(
                "The demo is for development only: its users have a published password."
            )
        if data.seed():
            self.stdout.write(f"The demo is ready: {len(data.CASES)} repairs.")
        else:
            self.stdout.write("The demo already exists; nothing was changed.")
        self.stdout.write(f"Sign in with the password '{data.PASSWORD}' as:")
        self.stdout.write(_row("username", "role", "company"))
        for person in data.SIGN_INS:
            self.stdout.write(_row(person.username, person.role.label, person.company))


def _row(username: str, role: str, company: str) -> str:
    return f"{username:10}{role:15}{company}".rstrip()
