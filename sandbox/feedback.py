"""Publishes what becomes of accepted messages: events for e-mails, SMS receipts for texts."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Self

from sandbox.account.settings import AwsAccount
from sandbox.cloudwatch.counts import Counts
from sandbox.cloudwatch.logs import GROUPS, Logs
from sandbox.faults.rule import EventScript
from sandbox.ses import events
from sandbox.ses.events import Event
from sandbox.ses.mail import Email
from sandbox.sns import receipts
from sandbox.sns.sms import Sms
from sandbox.sns.topic import Topic
from sandbox.store import Entry, PublishedEvent

#: The longest that a send call waits for its early events, in seconds.
EARLY_S = 10.0


class Feedback:
    """Publishes in the background. Use it as an async context manager."""

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
        """Drop what is not published yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """Return how many events and receipts are still to come."""
        return len(self._tasks)

    async def publish(self, entry: Entry, script: EventScript) -> None:
        """Publish what becomes of a message; return at once, unless its events are early."""
        match entry.message:
            case Email() as email:
                self._count_events(entry, email, script)
                if email.configuration_set and self._topic.url:
                    task = self._start(self._publish_events(entry, email, script))
                    if script.timing == "early":
                        await asyncio.wait({task}, timeout=EARLY_S)
            case Sms() as sms:
                result = self._result(sms, script)
                self._counts.count_text(sms, result.status, entry.received_at)
                if script.outcome != "none":
                    self._start(self._write_receipts(entry, sms, result, script))

    def ask_to_confirm(self) -> None:
        """Ask the subscriber to confirm the subscription."""
        request = PublishedEvent("SubscriptionConfirmation")
        self._start(self._topic.deliver(self._topic.confirmation(), request))

    def _count_events(self, entry: Entry, email: Email, script: EventScript) -> None:
        # Outcome "none" hides the delivery from the application; AWS counts it all the same.
        outcome = None if script.outcome == "none" else script.outcome
        for event in events.plan(email.recipients, outcome, self._account.is_suppressed):
            at = entry.received_at + timedelta(seconds=event.step * self._delay_s)
            self._counts.count_event(event, at)

    async def _publish_events(self, entry: Entry, email: Email, script: EventScript) -> None:
        planned = events.plan(email.recipients, script.outcome, self._account.is_suppressed)
        start = asyncio.get_running_loop().time()
        for event in reversed(planned) if script.reversed else planned:
            if script.timing != "early":
                due = start + event.step * self._delay_s + script.extra_delay_s
                await asyncio.sleep(due - asyncio.get_running_loop().time())
            deliveries = self._publish_copies(entry, email, event, script.copies)
            if script.reversed or script.timing == "early":
                await asyncio.wait(deliveries)

    def _publish_copies(
        self, entry: Entry, email: Email, event: Event, copies: int
    ) -> list[asyncio.Task[None]]:
        self._suppress_after(event)
        envelope = self._topic.notification(
            events.document(email, entry.received_at, event, datetime.now(UTC))
        )
        deliveries = []
        for number in range(copies):
            # Alternate the two kinds of duplicate: SNS delivers a message twice, or SES publishes
            # an event twice, which gives it another message ID.
            if number and number % 2 == 0:
                envelope = self._topic.republished(envelope)
            published = PublishedEvent(event.type, event.detail)
            entry.events.append(published)
            deliveries.append(self._start(self._topic.deliver(envelope, published)))
        return deliveries

    def _suppress_after(self, event: Event) -> None:
        if suppressions := events.suppressions(event):
            reason, addresses = suppressions
            for address in addresses:
                self._account.suppress(address, reason)

    def _result(self, sms: Sms, script: EventScript) -> receipts.Result:
        if sms.phone in self._opted_out:
            return receipts.OPTED_OUT
        if script.outcome == "opt_out":
            self._opted_out.add(sms.phone)
        if script.outcome is None and sms.phone in receipts.FAILING_NUMBERS:
            return receipts.BLOCKED
        if script.outcome == "bounce":
            return receipts.UNREACHABLE
        return receipts.ACCEPTED_BY_CARRIER

    async def _write_receipts(
        self, entry: Entry, sms: Sms, result: receipts.Result, script: EventScript
    ) -> None:
        await asyncio.sleep(self._delay_s + script.extra_delay_s)
        receipt = receipts.document(sms, entry.received_at, result, datetime.now(UTC))
        for _ in range(script.copies):
            self._logs.write(GROUPS[result.status], receipt)
            entry.events.append(PublishedEvent(result.status, result.response))

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
