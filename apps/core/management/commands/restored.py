from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser
from kombu.exceptions import OperationalError

from apps.core.delivery import broker, restored


class Command(BaseCommand):
    help = (
        "Run this after the database was restored from a backup, before the workers start: what "
        "may have been sent since the backup is left for a person to decide. Without --yes it "
        "only says how many deliveries that are. docs/operations.md has the whole procedure."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="leave them for a person")

    def handle(self, *args: Any, **options: Any) -> None:
        if names := _workers():
            raise CommandError(
                f"Workers are running ({', '.join(names)}) and may be sending these very "
                "messages. Stop them, then try again."
            )
        if not options["yes"]:
            count = restored.in_doubt().count()
            self.stdout.write(
                f"Of the deliveries, {count:,} may have been sent since the backup. Nothing was "
                "changed: add --yes to leave them for a person."
            )
            return
        count = restored.leave_for_a_person()
        verb = "is" if count == 1 else "are"
        self.stdout.write(
            self.style.SUCCESS(f"Of the deliveries, {count:,} {verb} left for a person to decide.")
        )
        self.stdout.write(
            "The workers may start: they send none of these. In the admin, list the deliveries of "
            'state "Unknown", and mark them as arrived or send them again.'
        )


def _workers() -> list[str]:
    try:
        return broker.workers()
    except (OperationalError, redis.RedisError):
        # Without Redis no worker is woken, and the restored host may not have one yet.
        return []
