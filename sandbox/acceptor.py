"""Decides about a message that SES or SNS would accept: the rules first, then the store."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never

from sandbox.faults.rule import ACCEPTING, Answer, EventScript, Rule
from sandbox.faults.rules import Rules
from sandbox.net.listener import cut
from sandbox.store import Entry, Message, Store

#: Publishes what becomes of an accepted message.
Publish = Callable[[Entry, EventScript], Awaitable[None]]


class Acceptor:
    """Accepts messages for both channels."""

    def __init__(self, store: Store, rules: Rules, publish: Publish, latency: float) -> None:
        """`latency`: seconds between keeping a message and answering that it was accepted."""
        self._store = store
        self._rules = rules
        self._publish = publish
        self._latency = latency

    async def accept(
        self, message: Message, transport: asyncio.BaseTransport | None
    ) -> Answer | None:
        """Return None if a message is accepted as usual, or the answer that a rule asks for.

        If a rule lets the client wait forever, this does not return: the server cancels the call
        when its connection, `transport`, is gone.
        """
        if transport is None or transport.is_closing():
            # The connection was cut before the message was accepted.
            await wait_for_cancellation()
        rule, events = self._rules.decide(message.channel, message.recipients)
        if rule and rule.answer not in ACCEPTING:
            return await _answer(rule, transport)
        await self._publish(self._store.add(message), events)
        if self._latency:
            # Without latency, don't yield to the event loop: a rule that cuts connections must not
            # come between keeping a message and its answer.
            await asyncio.sleep(self._latency)
        return await _answer(rule, transport) if rule else None


async def _answer(rule: Rule, transport: asyncio.BaseTransport | None) -> Answer | None:
    if rule.answer in ("hang", "accept_then_hang"):
        await _hang(rule.after_s, transport)
    if rule.answer in ("drop", "accept_then_drop"):
        await _drop(rule.after_s, transport)
    await asyncio.sleep(rule.after_s)
    return None if rule.answer == "slow" else rule.answer


async def _hang(seconds: float, transport: asyncio.BaseTransport | None) -> Never:
    """Do not answer until the client leaves, or for that many seconds unless they are 0."""
    if not seconds:
        await wait_for_cancellation()
    await _drop(seconds, transport)


async def _drop(seconds: float, transport: asyncio.BaseTransport | None) -> Never:
    await asyncio.sleep(seconds)
    cut(transport)
    await wait_for_cancellation()


async def wait_for_cancellation() -> Never:
    """Wait until the server cancels the call, as both servers do when its connection is gone."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable: the future never ends")
