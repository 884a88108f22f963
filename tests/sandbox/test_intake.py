import asyncio

import pytest

from sandbox.account import AwsAccount
from sandbox.counts import Counts
from sandbox.intake import Intake
from sandbox.logs import Logs
from sandbox.reports import Reporter
from sandbox.rules import Rules
from sandbox.signing import Signer
from sandbox.sms import Sms
from sandbox.store import Store
from sandbox.topic import Topic


class Cut(asyncio.Transport):
    """One that was aborted, before its protocol has heard of it."""

    def is_closing(self) -> bool:
        return True


@pytest.mark.parametrize("transport", [Cut(), None])
def test_a_message_whose_connection_was_cut_meanwhile_is_not_taken(
    transport: asyncio.Transport | None,
) -> None:
    store = Store()
    reporter = Reporter(Topic(Signer("2"), ""), Logs(), AwsAccount(), Counts(), set(), 0)
    intake = Intake(store, Rules(seed=1), reporter, latency=0)
    text = Sms("1", "+15551234567", "Ready.", None, None, None)

    async def call() -> bool:
        taking = asyncio.create_task(intake.take(text, transport))
        await asyncio.sleep(0)
        return taking.done()

    assert not asyncio.run(call()), "nobody is left to be answered"
    assert store.counts()["sms"] == 0
