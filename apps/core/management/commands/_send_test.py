"""The base of `test_ses` and `test_sns`: make one call and print its outcome."""

import json
from collections.abc import Callable
from typing import NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.exceptions import (
    AmbiguousError,
    ChannelUnavailableError,
    DeliveryError,
    NotSendable,
    PermanentError,
    ThrottledError,
)
from apps.core.providers.base import Acceptance

_ADVICE: list[tuple[type[DeliveryError], str]] = [
    (NotSendable, "Add the recipient to STAGING_ALLOWED_RECIPIENTS, or send to one of those."),
    (ThrottledError, "The provider asks for a slower pace: wait a minute and run it again."),
    (
        ChannelUnavailableError,
        "Check the credentials, the region, and that the account may send and the sender or "
        "recipient is verified.",
    ),
    (PermanentError, "Check the recipient: the provider refuses this message for good."),
    (AmbiguousError, "It may have been sent: look at the recipient before you run it again."),
    (DeliveryError, "Check that the provider's address is right and reachable, then try again."),
]


class SendTestCommand(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def send(
        self, call: Callable[[], Acceptance], *, region: str, sender: str, as_json: bool
    ) -> None:
        """Make the call and print the outcome; exit with status 1 if it failed."""
        try:
            acceptance = call()
        except DeliveryError as error:
            advice = next(text for kind, text in _ADVICE if isinstance(error, kind))
            self.refuse(f"Not sent: {error}. {advice}", as_json=as_json)
        facts = {
            "provider": acceptance.provider,
            "region": region,
            "sender": sender,
            "message_id": acceptance.message_id or None,
        }
        if as_json:
            self.stdout.write(json.dumps({"ok": True, **facts}))
            return
        self.stdout.write(self.style.SUCCESS("Accepted by the provider."))
        for name, value in facts.items():
            label = name.replace("_", " ").capitalize()
            self.stdout.write(f"{label}: {value or 'none given by this provider'}")

    def refuse(self, sentence: str, *, as_json: bool = False) -> NoReturn:
        if as_json:
            self.stdout.write(json.dumps({"ok": False, "error": sentence}))
        raise CommandError(sentence)
