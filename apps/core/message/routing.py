"""Decide which channels a notification takes for one person, and why not the others."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser

from apps.core.models import Contact
from apps.core.states import Channel, Priority

CHANNELS: dict[Priority, tuple[Channel, ...]] = {
    Priority.URGENT: (Channel.EMAIL, Channel.SMS),
    Priority.HIGH: (Channel.SMS,),
    Priority.MEDIUM: (Channel.EMAIL,),
    Priority.LOW: (),
}


@dataclass(frozen=True)
class Route:
    """One channel of a plan; `skip` is the reason not to use it, or empty."""

    channel: Channel
    skip: str = ""


def plan(priority: Priority, contact: Contact | None, *, sms_enabled: bool) -> list[Route]:
    """Return the routes of a notification of this priority to the contact's person.

    A priority that uses SMS alone falls back to e-mail if SMS cannot be used. So a person without a
    phone still gets the message outside the application.
    """
    routes = [
        Route(channel, why_not(channel, contact, sms_enabled=sms_enabled))
        for channel in CHANNELS[priority]
    ]
    if fallback(priority) and all(route.skip for route in routes):
        reason = why_not(Channel.EMAIL, contact, sms_enabled=sms_enabled)
        routes.append(Route(Channel.EMAIL, reason))
    return routes


def why_not(channel: Channel, contact: Contact | None, *, sms_enabled: bool) -> str:
    """Return why nothing can be sent to this person on the channel, or an empty string."""
    if channel == Channel.SMS and not sms_enabled:
        return "text messages are switched off (SMS_ENABLED)"
    return contact.why_not(channel) if contact else "has no contact details"


def why_not_direct(channel: Channel, user: AbstractBaseUser, *, sms_enabled: bool) -> str:
    """Return why a message about one address cannot be sent to it, or an empty string."""
    if channel == Channel.SMS and not sms_enabled:
        return "text messages are switched off (SMS_ENABLED)"
    return "" if user.is_active else "account is deactivated"


def fallback(priority: Priority) -> Channel | None:
    """Return the channel that stands in if the only channel of this priority fails."""
    return Channel.EMAIL if CHANNELS[priority] == (Channel.SMS,) else None
