"""End a worker that has claimed a batch: the rest is due again at once, not after a lease."""

from apps.core.models import Delivery
from apps.core.states import DeliveryState
from chaos.run import Run

#: Seconds from SIGTERM until the batch must be due again, and sent. A lease is at least 56.
DUE_AGAIN_WITHIN_S, SENT_WITHIN_S = 5.0, 20.0


def end_worker(run: Run) -> None:
    """End a worker with SIGTERM that has just claimed several deliveries, for good.

    Others are due by then. What is given back goes before them, since it was due before them.
    """
    run.until_committed()
    worker, ids = run.claimed_batch()
    batch = Delivery.objects.filter(pk__in=ids)
    first_claim = batch.filter(state=DeliveryState.SENDING, attempts=1)
    run.note_load()
    worker.terminate()
    due_s = run.seconds_until(lambda: not first_claim.exists(), DUE_AGAIN_WITHIN_S)
    sent_s = run.seconds_until(
        lambda: not batch.filter(state__in=(DeliveryState.DUE, DeliveryState.SENDING)).exists(),
        SENT_WITHIN_S,
    )
    run.until(worker.is_gone, "the worker has ended")
    given_back = batch.filter(attempts=2).count()
    figures = {"batch": len(ids), "given_back": given_back, "due_s": due_s, "sent_s": sent_s}
    answers = [
        (not given_back, "the worker gave no delivery back, so nothing was tried"),
        (due_s is None, f"the batch was not due again within {DUE_AGAIN_WITHIN_S:g} s"),
        (sent_s is None, f"the batch was not sent within {SENT_WITHIN_S:g} s"),
    ]
    run.note(figures, [problem for is_broken, problem in answers if is_broken])
