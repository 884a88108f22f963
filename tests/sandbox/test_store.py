from sandbox.sns.sms import Sms
from sandbox.store import Store


def test_only_the_newest_messages_are_kept() -> None:
    store = Store(max_messages=2)

    for number in ("1", "2", "3"):
        store.add(Sms(number, "+15551234567", number, None, None, None))

    page = store.find(since=0, channel=None, to=None, limit=10)
    assert [(entry.seq, entry.message.id) for entry in page.entries] == [(2, "2"), (3, "3")]
    assert store.get("1") is None
    assert store.count_by_channel() == {"sms": 2}
