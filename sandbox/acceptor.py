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
        """Keep a message and return None, or return the name of the refusal.

        If a rule lets the client wait for ever, this does not return: the server cancels the call
        when its connection, `transport`, is gone.
        """
        if transport is None or transport.is_closing():
            # The connection was cut before the message was accepted.
            await _wait_for_cancellation()
        rule, events = self._rules.decide(message.channel, message.recipients)
        if rule and rule.answer not in ACCEPTING:
            return await _answer_without_keeping(rule, transport)
        await self._publish(self._store.add(message), events)
        if self._latency:
            # Without latency, don't yield to the event loop: a rule that cuts connections must not
            # come between keeping a message and its answer.
            await asyncio.sleep(self._latency)
        if rule:
            await _answer_after_keeping(rule, transport)
        return None


async def _answer_without_keeping(
    rule: Rule, transport: asyncio.BaseTransport | None
) -> Answer | None:
    if rule.answer == "hang":
        await _hang(rule.after_s, transport)
    if rule.answer == "drop":
        await _drop(rule.after_s, transport)
    await asyncio.sleep(rule.after_s)
    return rule.answer


async def _answer_after_keeping(rule: Rule, transport: asyncio.BaseTransport | None) -> None:
    if rule.answer == "accept_then_hang":
        await _hang(rule.after_s, transport)
    if rule.answer == "accept_then_drop":
        await _drop(rule.after_s, transport)
    await asyncio.sleep(rule.after_s)


async def _hang(seconds: float, transport: asyncio.BaseTransport | None) -> Never:
    """Do not answer until the client leaves, or for that many seconds unless they are 0."""
    if not seconds:
        await _wait_for_cancellation()
    await _drop(seconds, transport)


async def _drop(seconds: float, transport: asyncio.BaseTransport | None) -> Never:
    await asyncio.sleep(seconds)
    cut(transport)
    await _wait_for_cancellation()


async def _wait_for_cancellation() -> Never:
    # Both servers cancel a call whose connection is gone.
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable: the future never ends")
