from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.core.validators import validate_email

from apps.core.channels.email import EmailService
from apps.core.message import brand, rendering, unsubscribe
from apps.core.providers.base import Acceptance

from ._send_test import SendTestCommand


class Command(SendTestCommand):
    help = "Send one test e-mail through the configured provider and print the outcome."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="where to, as in you@example.com")
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            validate_email(options["address"])
        except ValidationError:
            self.refuse(
                f"{options['address']!r} is not an e-mail address.", as_json=options["json"]
            )
        name = brand.current().name
        content = rendering.EmailContent(
            subject=f"{name}: test e-mail",
            text=f"This is a test e-mail of {name}. Its arrival shows that e-mail works.\n",
            html=f"<p>This is a test e-mail of {name}. Its arrival shows that e-mail works.</p>",
            # As other e-mails have them, so that `aws loopback --received` can look at them.
            headers=unsubscribe.headers_for(unsubscribe.Subscription(None, ())),
        )

        def call() -> Acceptance:
            service = EmailService()
            return service.send(service.message(options["address"], content, tags={}))

        self.send(
            call,
            region=settings.AWS_SES_REGION_NAME,
            sender=settings.DEFAULT_FROM_EMAIL,
            as_json=options["json"],
        )
