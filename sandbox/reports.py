"""Tells the application what became of the messages that were taken."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Self

from sandbox import events, receipts
from sandbox.account import AwsAccount
from sandbox.counts import Counts
from sandbox.events import Event
from sandbox.logs import GROUPS, Logs
from sandbox.mail import Email
from sandbox.new_rule import Telling
from sandbox.sms import Sms
from sandbox.store import Entry, Publication
from sandbox.topic import Topic

#: Seconds that a send call waits at most for what is to be told before it is answered.
EARLY_S = 10.0


class Reporter:
    """Reports by events for e-mails and by log for texts. Use it as an async context manager."""

    def __init__(
        self,
        topic: Topic,
        logs: Logs,
        account: AwsAccount,
        counts: Counts,
        opted_out: set[str],
        delay_s: float,
    ) -> None:
        """`delay_s`: seconds between a sending and its delivery, and between later events."""
        self._topic = topic
        self._logs = logs
        self._counts = counts
        self._opted_out = opted_out
        self._account = account
        self._delay_s = delay_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drop what is not told yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """How many things are still to be told; 0 when everything was."""
        return len(self._tasks)

    async def report(self, entry: Entry, telling: Telling) -> None:
        """Tell what becomes of a message, in the background unless it is to be told early."""
        message = entry.message
        if isinstance(message, Email):
            self._count(entry, message, telling)
        if isinstance(message, Email) and message.configuration_set and self._topic.url:
            task = self._start(self._tell(entry, message, telling))
            if telling.timing == "early":
                await asyncio.wait({task}, timeout=EARLY_S)
        elif isinstance(message, Sms):
            result = self._result(message, telling)
            self._counts.text(message, result.status, entry.received_at)
            if telling.outcome != "none":
                self._start(self._log(entry, message, result, telling))

    def _count(self, entry: Entry, email: Email, telling: Telling) -> None:
        # What nobody is told of has happened all the same.
        outcome = None if telling.outcome == "none" else telling.outcome
        for event in events.story(email.recipients, outcome, self._account.suppresses):
            at = entry.received_at + timedelta(seconds=event.step * self._delay_s)
            self._counts.email(event, at)

    def ask_to_confirm(self) -> None:
        """Ask the subscriber to confirm the subscription."""
        asked = Publication("SubscriptionConfirmation")
        self._start(self._topic.deliver(self._topic.confirmation(), asked))

    async def _tell(self, entry: Entry, email: Email, telling: Telling) -> None:
        story = events.story(email.recipients, telling.outcome, self._account.suppresses)
        start = asyncio.get_running_loop().time()
        for event in reversed(story) if telling.reversed else story:
            if telling.timing != "early":
                await _sleep_until(start + event.step * self._delay_s + telling.held_back_s)
            deliveries = self._publish(entry, email, event, telling.copies)
            if telling.reversed or telling.timing == "early":
                await asyncio.wait(deliveries)

    def _publish(
        self, entry: Entry, email: Email, event: Event, copies: int
    ) -> list[asyncio.Task[None]]:
        self._list(event)
        envelope = self._topic.notification(
            events.document(email, entry.received_at, event, datetime.now(UTC))
        )
        deliveries = []
        for number in range(copies):
            # In turn what SNS may do, deliver a message twice, and what SES may: publish it twice.
            if number and number % 2 == 0:
                envelope = self._topic.again(envelope)
            publication = entry.tell(Publication(event.type, event.detail))
            deliveries.append(self._start(self._topic.deliver(envelope, publication)))
        return deliveries

    def _list(self, event: Event) -> None:
        if listing := events.listing(event):
            reason, addresses = listing
            for address in addresses:
                self._account.suppress(address, reason)

    def _result(self, sms: Sms, telling: Telling) -> receipts.Result:
        if sms.phone in self._opted_out:
            return receipts.OPTED_OUT
        if telling.outcome == "opt_out":
            self._opted_out.add(sms.phone)
        if telling.outcome is None and sms.phone in receipts.FAILING:
            return receipts.BLOCKED
        return receipts.UNREACHABLE if telling.outcome == "bounce" else receipts.CARRIED

    async def _log(self, entry: Entry, sms: Sms, result: receipts.Result, telling: Telling) -> None:
        await asyncio.sleep(self._delay_s + telling.held_back_s)
        receipt = receipts.document(sms, entry.received_at, result, datetime.now(UTC))
        for _ in range(telling.copies):
            self._logs.write(GROUPS[result.status], receipt)
            entry.tell(Publication(result.status, result.response))

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(moment - asyncio.get_running_loop().time())
