"""Let several hosts send a backlog: the pace and the places hold for all of them together."""

from django.conf import settings

from apps.core.delivery import wakeups
from apps.core.guards import circuit_breaker
from apps.core.models import Delivery
from apps.core.models.channel_stop import StopCause
from apps.core.states import Channel, DeliveryState
from chaos import limits
from chaos.run import Run

#: How much more than the limit may arrive in a second: on a busy machine a call that left in time
#: arrives late, beside the next ones.
ROOM = 1.05
#: What a worker writes when its first wake-up comes.
HAS_SENT = f"{wakeups.SEND_TASKS[Channel.EMAIL]}["


def share(run: Run) -> None:
    """Let all hosts begin a backlog at once, and kill one of them under way."""
    workers = run.rig.workers
    circuit_breaker.hold_back(Channel.EMAIL, "the backlog is not complete")
    run.until_committed()
    circuit_breaker.resume(Channel.EMAIL, "the backlog is complete", cause=StopCause.REPUTATION)
    wakeups.wake_dispatch()
    first = len(run.planned) // 3
    with limits.PlaceWatch(run.rig.redis_port) as watch:
        run.until(
            lambda: len(run.missing(run.planned)) <= len(run.planned) - first,
            "a third of them has arrived",
        )
        run.note_load()
        run.kill(workers[0])
        due = Delivery.objects.filter(state=DeliveryState.DUE)
        run.until(lambda: not due.exists(), "all that is due is claimed")
    idle = [worker.name for worker in workers[1:] if not worker.has_written(HAS_SENT)]
    most = {pool.channel.value: held for pool, held in watch.most.items() if held}
    problems = [f"{name} sent nothing" for name in idle]
    run.note({"places": most}, problems + watch.problems())


def check_pace(run: Run) -> None:
    """Check that no second had more arrivals than the limit allows."""
    busiest = limits.busiest_second(run.rig.sandbox.messages(kind="email"))
    most = ROOM * settings.EMAIL_RATE_LIMIT + 1
    problem = f"{busiest} e-mails arrived within a second, {most:g} allowed"
    run.note({"busiest_second": busiest}, [problem] if busiest > most else [])
