"""What becomes of a message that SES or SNS would take: the rules first, then the store."""

import asyncio
from typing import Never

from sandbox.listener import cut
from sandbox.new_rule import KEEPING, Answer, NewRule
from sandbox.reports import Reporter
from sandbox.rules import Rules
from sandbox.store import Message, Store


class Intake:
    """Takes messages on behalf of both stand-ins."""

    def __init__(self, store: Store, rules: Rules, reporter: Reporter, latency: float) -> None:
        """`latency`: seconds between taking a message and answering that it was taken."""
        self._store = store
        self._rules = rules
        self._reporter = reporter
        self._latency = latency

    async def take(
        self, message: Message, transport: asyncio.BaseTransport | None
    ) -> Answer | None:
        """Keep `message`; None when its sender may be told, or the name of the refusal.

        Where a rule says that no answer comes, neither does this one: the call ends with the
        connection, `transport`.
        """
        if transport is None or transport.is_closing():
            # It was cut before its message was taken, and nobody is left to be told.
            await _until_cancelled()
        rule, telling = self._rules.decide(message.kind, message.recipients)
        if rule and rule.answer not in KEEPING:
            return await _without_keeping(rule, transport)
        await self._reporter.report(self._store.add(message), telling)
        if self._latency:
            # Not for a moment otherwise: whoever cuts connections must not come between a message
            # that was kept and its answer.
            await asyncio.sleep(self._latency)
        if rule:
            await _after_keeping(rule, transport)
        return None


async def _without_keeping(rule: NewRule, transport: asyncio.BaseTransport | None) -> Answer | None:
    if rule.answer == "hang":
        await _hang(rule.after_s, transport)
    if rule.answer == "drop":
        await _drop(rule.after_s, transport)
    await asyncio.sleep(rule.after_s)
    return rule.answer


async def _after_keeping(rule: NewRule, transport: asyncio.BaseTransport | None) -> None:
    if rule.answer == "accept_then_hang":
        await _hang(rule.after_s, transport)
    if rule.answer == "accept_then_drop":
        await _drop(rule.after_s, transport)
    await asyncio.sleep(rule.after_s)


async def _hang(seconds: float, transport: asyncio.BaseTransport | None) -> Never:
    """Answer nothing until the client leaves, or for that many seconds where they are not 0."""
    if not seconds:
        await _until_cancelled()
    await _drop(seconds, transport)


async def _drop(seconds: float, transport: asyncio.BaseTransport | None) -> Never:
    await asyncio.sleep(seconds)
    cut(transport)
    await _until_cancelled()


async def _until_cancelled() -> Never:
    # Both servers cancel a call whose connection is gone.
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody answers this")
