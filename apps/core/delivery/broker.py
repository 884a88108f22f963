"""Ask the broker: how many wake-ups wait in it, and how many workers answer."""

from typing import Any

from celery import current_app

from apps.core.states import Priority

#: The wake-ups of deliveries, and all other tasks.
QUEUE, HOUSEKEEPING = "notifications", "housekeeping"
#: Seconds for which workers may answer. The question always takes that long.
PING_S = 1.0


def waiting(queue: str = QUEUE) -> dict[Priority, int]:
    """Return the number of tasks that wait in a queue, by priority.

    The Redis transport keeps one list for each priority step, so the length of the queue's own
    list counts the first step only.
    """
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return {
            priority: channel.client.llen(channel._q_for_pri(queue, priority))
            for priority in Priority
        }


def workers_online() -> int:
    """Return how many workers that send answer within PING_S, including one that asks."""
    return len(workers())


def workers() -> list[str]:
    """Return the names of the workers that send and answer within PING_S.

    A worker's main process answers, even if its pool is busy.
    """
    with current_app.connection_for_read() as connection:
        inspect = current_app.control.inspect(timeout=PING_S, connection=connection)
        answers = inspect.active_queues() or {}
    return sorted(
        name for name, queues in answers.items() if any(queue["name"] == QUEUE for queue in queues)
    )
