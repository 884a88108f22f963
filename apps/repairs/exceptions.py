"""Errors of the repair services. Their messages are shown to the user."""

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from apps.core.message.stored_words import translated

from .models import Repair, RepairBatch, RepairEvent


class RepairError(Exception):
    """Base of every error that a repair service raises on purpose."""


class NotAllowed(RepairError):
    """The person, the values or the repair's status do not allow this."""


class AlreadyDone(RepairError):
    """Another person was first. `event` is the history entry with who and when."""

    def __init__(self, number: str, event: RepairEvent) -> None:
        self.event = event
        super().__init__(
            gettext("{number} was already {done} by {name} on {at}.").format(
                number=number,
                done=translated(event.get_action_display()).lower(),
                name=event.actor.name,
                at=date_format(timezone.localtime(event.at), "MOMENT"),
            )
        )


class AlreadyRequested(RepairError):
    """The same form was sent before. `made` is the repair or batch that it made."""

    def __init__(self, made: Repair | RepairBatch) -> None:
        self.made = made
        super().__init__(gettext("{number} was already requested.").format(number=made.number))
