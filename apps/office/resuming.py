"""End what holds a channel back, by a person's decision."""

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from apps.core.audit.alarms import standing, watch
from apps.core.delivery import wakeups
from apps.core.guards import circuit_breaker, reputation
from apps.core.models import ChannelStop
from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel


def resume(stop: ChannelStop, by: User) -> bool:
    """End a person's pause, or what holds e-mail back; return False if another did so before."""
    channel = Channel(stop.channel)
    if stop.cause == StopCause.REPUTATION:
        resumed = reputation.lift()
    else:
        name = by.get_full_name() or by.get_username()
        resumed = circuit_breaker.resume(channel, f"by {name}", cause=StopCause(stop.cause))
    if resumed:
        record(stop, by, f"Resumed {channel.label}")
        transaction.on_commit(wakeups.wake_dispatch)
    look_again()
    return resumed


def try_now(stop: ChannelStop, by: User) -> bool:
    """Let the next delivery probe a channel that the provider stopped; return False if it runs."""
    if not circuit_breaker.probe_now(ChannelStop.objects.filter(pk=stop.pk)):
        return False
    record(stop, by, f"Had {Channel(stop.channel).label} tried at once")
    transaction.on_commit(wakeups.wake_dispatch)
    return True


def record(stop: ChannelStop | None, by: User, what: str) -> None:
    """Write what a person did into the admin's history."""
    if stop:
        LogEntry.objects.log_actions(by.pk, [stop], CHANGE, what, single_object=True)


def look_again() -> None:
    """Start or end the alarm with the person's action, and not a minute later."""
    watch.evaluate_stops(timezone.now())
    standing.forget()
