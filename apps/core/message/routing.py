"""Which channels a notification takes, by its priority."""

from apps.core.states import Channel, Priority

CHANNELS: dict[Priority, tuple[Channel, ...]] = {
    Priority.URGENT: (Channel.EMAIL, Channel.SMS),
    Priority.HIGH: (Channel.SMS,),
    Priority.MEDIUM: (Channel.EMAIL,),
    Priority.LOW: (),
}


def fallback(priority: Priority) -> Channel | None:
    """Return the channel that stands in if the only channel of this priority fails."""
    return Channel.EMAIL if CHANNELS[priority] == (Channel.SMS,) else None
