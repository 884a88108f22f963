import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from apps.core.audit.alarms import watch
from apps.core.models import Alarm


class Command(BaseCommand):
    help = (
        "Judge all alarms now, as beat's task does each minute, and list those that ring. Sends "
        "no message. Exit with 1 while any rings."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        watch.evaluate()
        ringing = list(Alarm.objects.ringing().order_by("started_at"))
        if options["json"]:
            self.stdout.write(json.dumps({"ringing": [_as_dict(alarm) for alarm in ringing]}))
        else:
            self._tell(ringing)
        if ringing:
            sys.exit(1)

    def _tell(self, ringing: list[Alarm]) -> None:
        for alarm in ringing:
            since = timezone.localtime(alarm.started_at).isoformat(timespec="minutes")
            self.stdout.write(self.style.ERROR(f"{alarm.name} since {since}: {alarm.sentence}"))
        if not ringing:
            self.stdout.write(self.style.SUCCESS("No alarm rings."))


def _as_dict(alarm: Alarm) -> dict[str, Any]:
    assert alarm.started_at is not None
    return {
        "name": alarm.name,
        "since": alarm.started_at.isoformat(),
        "value": alarm.value,
        "sentence": alarm.sentence,
    }
