"""Which channels a notification takes for one person, and why not the others. Pure."""

from dataclasses import dataclass

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
    """One channel of a plan: taken where `skip` is empty, else left for the reason it gives."""

    channel: Channel
    skip: str = ""


def plan(priority: Priority, contact: Contact | None, *, sms_enabled: bool) -> list[Route]:
    """The routes of a notification of this priority to the person of this contact.

    A priority that rests on SMS alone falls back to e-mail where SMS cannot be used, so that a
    person without a phone still hears of it outside the application.
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
    """Why this person cannot be sent anything on the channel; empty where they can."""
    if channel == Channel.SMS and not sms_enabled:
        return "text messages are switched off (SMS_ENABLED)"
    return contact.why_not(channel) if contact else "has no contact details"


def fallback(priority: Priority) -> Channel | None:
    """The channel that stands in where the only channel of this priority fails."""
    return Channel.EMAIL if CHANNELS[priority] == (Channel.SMS,) else None
