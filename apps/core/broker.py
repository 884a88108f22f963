"""What the broker holds, seen from outside: how many wake-ups wait at each priority."""

from typing import Any

from celery import current_app

from .states import Priority

QUEUE = "notifications"


def waiting() -> dict[Priority, int]:
    """The number of tasks that wait in the queue, by priority.

    The Redis transport keeps one list for each priority step, so the length of the queue's own
    list counts the first step only.
    """
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return {
            priority: channel.client.llen(channel._q_for_pri(QUEUE, priority))
            for priority in Priority
        }
