"""The messages that the stand-ins accepted, in memory."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any, Literal, NamedTuple, Protocol

#: The JSON API has it as `kind` of a message and as `channel` of a rule.
Channel = Literal["email", "sms"]

MAX_MESSAGES = 50_000


class Message(Protocol):
    """An accepted message of either channel; immutable, so any thread may read it."""

    @property
    def id(self) -> str:
        """Return the message ID that the provider answered with."""

    @property
    def channel(self) -> Channel: ...

    @property
    def recipients(self) -> Sequence[str]:
        """Return the e-mail addresses of the envelope, or the one phone number in E.164."""

    def as_json(self, *, full: bool) -> dict[str, Any]:
        """Return the message's own fields; the large ones only if `full`."""


@dataclass(slots=True)
class PublishedEvent:
    """An event or SMS receipt that the sandbox published about a message."""

    type: str
    detail: str = ""
    published_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: The HTTP status of the application's answer, once there is one.
    status: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "detail": self.detail,
            "published_at": self.published_at.isoformat(timespec="microseconds"),
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored message and its events; `seq` grows by one per message and is never reused."""

    seq: int
    received_at: datetime
    message: Message
    events: list[PublishedEvent] = field(default_factory=list)

    def as_json(self, *, full: bool) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "id": self.message.id,
            "kind": self.message.channel,
            "received_at": self.received_at.isoformat(timespec="microseconds"),
            **self.message.as_json(full=full),
            # A copy: the event loop may append while another thread reads.
            "events": [event.as_json() for event in list(self.events)],
        }


class Page(NamedTuple):
    """Entries, oldest first, and the `seq` after which the next page starts."""

    entries: list[Entry]
    last_seq: int


class Store:
    """Keeps the newest `max_messages` messages."""

    def __init__(self, max_messages: int = MAX_MESSAGES) -> None:
        self._max_messages = max_messages
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._last_seq = 0

    def add(self, message: Message) -> Entry:
        """Keep a message as the newest, received now."""
        self._last_seq += 1
        entry = Entry(self._last_seq, datetime.now(UTC), message)
        self._entries[message.id] = entry
        if len(self._entries) > self._max_messages:
            self._entries.popitem(last=False)
        return entry

    def get(self, message_id: str) -> Entry | None:
        return self._entries.get(message_id)

    def find(
        self, *, since: int | None, channel: Channel | None, to: str | None, limit: int
    ) -> Page:
        """Return at most `limit` entries of that channel and recipient (None: any).

        With `since`, the oldest after that seq, so that a reader who continues from `last_seq`
        misses none. Without it, the newest. Recipients are compared without letter case.
        """
        wanted = to.casefold() if to is not None else None
        after = since or 0
        newest_first = takewhile(lambda e: e.seq > after, reversed(self._entries.values()))
        matching = (
            entry
            for entry in newest_first
            if (channel is None or entry.message.channel == channel)
            and (wanted is None or wanted in map(str.casefold, entry.message.recipients))
        )
        if since is None:
            return Page(list(islice(matching, limit))[::-1], self._last_seq)
        entries = list(matching)[::-1]
        if len(entries) <= limit:
            return Page(entries, self._last_seq)
        return Page(entries[:limit], entries[limit - 1].seq)

    def count_by_channel(self) -> Counter[Channel]:
        return Counter(entry.message.channel for entry in self._entries.values())

    def clear(self) -> None:
        """Forget every message; `seq` does not start again."""
        self._entries.clear()
