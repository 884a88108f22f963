import asyncio

import pytest

from sandbox.acceptor import Acceptor
from sandbox.faults.rule import EventScript
from sandbox.faults.rules import Rules
from sandbox.sns.sms import Sms
from sandbox.store import Entry, Store


class CutConnection(asyncio.Transport):
    """A connection that was cut, before its protocol knows."""

    def is_closing(self) -> bool:
        return True


@pytest.mark.parametrize("transport", [CutConnection(), None])
def test_a_message_whose_connection_was_cut_is_not_accepted(
    transport: asyncio.Transport | None,
) -> None:
    async def publish(entry: Entry, events: EventScript) -> None:
        raise AssertionError("it was accepted")

    store = Store()
    acceptor = Acceptor(store, Rules(seed=1), publish, latency=0)
    text = Sms("1", "+15551234567", "Ready.", None, None, None)

    async def accept() -> bool:
        call = asyncio.create_task(acceptor.accept(text, transport))
        await asyncio.sleep(0)
        return call.done()

    assert not asyncio.run(accept()), "there is no client to answer"
    assert store.count_by_channel()["sms"] == 0
