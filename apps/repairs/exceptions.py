"""What a service says when it does not do what it was asked; the messages are for the user."""

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format

from .models import Profile, RepairEvent


class RepairError(Exception):
    """Base of every error that a repair service raises on purpose."""


class NotAllowed(RepairError):
    """This person may not do this, or not with what was given, or not at this point."""


class AlreadyDone(RepairError):
    """Somebody was first. `event` is the history line that says who and when."""

    def __init__(self, number: str, event: RepairEvent) -> None:
        self.event = event
        done = event.get_action_display().lower()
        at = date_format(timezone.localtime(event.at), "M j, g:i A")
        super().__init__(f"{number} was already {done} by {event.actor.name} on {at}.")

    @property
    def by(self) -> Profile:
        return self.event.actor

    @property
    def at(self) -> datetime:
        return self.event.at
