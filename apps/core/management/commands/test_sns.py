from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from apps.core.channels.sms import SMSService
from apps.core.message import brand, rendering
from apps.core.models.contact import is_unassigned, validate_e164
from apps.core.providers.base import Acceptance

from ._send_test import SendTestCommand


class Command(SendTestCommand):
    help = "Send one test text message through the configured provider and print the outcome."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="where to, in E.164 format, as in +12025550123")
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            validate_e164(options["number"])
        except ValidationError as error:
            self.refuse(
                f"{options['number']!r} is not an E.164 number. {error.messages[0]}",
                as_json=options["json"],
            )
        if is_unassigned(options["number"]):
            self.stderr.write("Warning: no known phone network has this number; check its digits.")
        if not settings.SMS_ENABLED:
            self.refuse(
                "Text messages are switched off. Set SMS_ENABLED=true.", as_json=options["json"]
            )
        content = rendering.SMSContent(f"{brand.current().name}: this is a test message.")

        def call() -> Acceptance:
            service = SMSService()
            return service.send(service.message(options["number"], content))

        self.send(
            call,
            region=settings.AWS_SNS_REGION_NAME,
            sender=settings.SMS_SENDER_ID,
            as_json=options["json"],
        )
