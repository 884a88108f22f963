"""Print text messages, as Django's console backend prints e-mails."""

import sys

from .base import Acceptance, SMSMessage


class SMSConsole:
    name = "console"

    def encode(self, message: SMSMessage) -> SMSMessage:
        return message

    def send(self, message: SMSMessage) -> Acceptance:
        sys.stdout.write(f"SMS to {message.to}: {message.text}\n")
        sys.stdout.flush()
        return Acceptance(self.name)
