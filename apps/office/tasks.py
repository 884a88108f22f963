"""The Celery tasks of the office."""

from celery import shared_task

from . import duty


@shared_task(name="apps.office.tasks.tell_unreached", soft_time_limit=240, time_limit=300)
def tell_unreached() -> None:
    duty.tell()
