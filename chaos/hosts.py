"""Let several hosts send a backlog: the pace and the places hold for all of them together."""

from django.conf import settings

from apps.core.models import Delivery
from apps.core.states import DeliveryState
from chaos import limits
from chaos.run import Run

#: How much more than the limit may arrive in a second: on a busy machine a call that left in time
#: arrives late, beside the next ones.
ROOM = 1.05
#: What a worker writes when a task has ended.
HAS_WORKED = " succeeded in "


def share(run: Run) -> None:
    """Commit a backlog without workers, start those of all hosts, and kill one under way."""
    workers = run.rig.workers
    for worker in workers:
        worker.terminate()
    for worker in workers:
        run.until(worker.is_gone, "the worker has ended")
    run.until_committed()
    total = len(run.planned)
    with limits.PlaceWatch(run.rig.redis_port) as watch:
        for worker in workers:
            worker.start()
        for worker in workers:
            run.rig.wait_for(worker)
        run.until(lambda: len(run.missing(run.planned)) < total / 2, "half of them have arrived")
        idle = [worker.name for worker in workers if not worker.has_written(HAS_WORKED)]
        run.note_load()
        run.kill(workers[0])
        due = Delivery.objects.filter(state=DeliveryState.DUE)
        run.until(lambda: not due.exists(), "all that is due was claimed")
    places = {f"{pool.channel} {pool.is_urgent}": most for pool, most in watch.most.items()}
    problems = [f"{', '.join(idle)} did nothing"] if idle else []
    run.note({"places": places}, problems + watch.problems())


def check_pace(run: Run) -> None:
    """Check that no second had more arrivals than the limit allows."""
    busiest = limits.busiest_second(run.rig.sandbox.messages(kind="email"))
    most = ROOM * settings.EMAIL_RATE_LIMIT + 1
    problem = f"{busiest} e-mails arrived within a second, {most:g} allowed"
    run.note({"busiest_second": busiest}, [problem] if busiest > most else [])
