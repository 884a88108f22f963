"""What the sandbox was sent, in memory."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Any, Literal, NamedTuple, Protocol

Kind = Literal["email", "sms"]

MAX_MESSAGES = 50_000


class Message(Protocol):
    """An accepted message of either kind; immutable, so it may be read from any thread."""

    @property
    def id(self) -> str:
        """The identifier the provider answered with."""

    @property
    def kind(self) -> Kind:
        """Which of the two stand-ins took it."""

    @property
    def recipients(self) -> Sequence[str]:
        """The e-mail addresses of the envelope, or the one phone number in E.164."""

    def as_json(self, *, full: bool) -> dict[str, Any]:
        """The message's own fields, ready for JSON; the large ones only when `full`."""


@dataclass(slots=True)
class Publication:
    """One thing that was told of a message; `status` is how the application answered, if it did."""

    type: str
    detail: str = ""
    published_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "type": self.type,
            "detail": self.detail,
            "published_at": self.published_at.isoformat(timespec="microseconds"),
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored message: `seq` grows by one with each, and is never used twice by one process."""

    seq: int
    received_at: datetime
    message: Message
    publications: list[Publication] = field(default_factory=list)

    def tell(self, publication: Publication) -> Publication:
        """Keep in mind that this is being told of the message."""
        self.publications.append(publication)
        return publication

    def as_json(self, *, full: bool) -> dict[str, Any]:
        """The whole entry, ready for JSON; `received_at` is ISO 8601 in UTC."""
        return {
            "seq": self.seq,
            "id": self.message.id,
            "kind": self.message.kind,
            "received_at": self.received_at.isoformat(timespec="microseconds"),
            **self.message.as_json(full=full),
            # A copy, which the event loop cannot lengthen while another thread reads it.
            "events": [publication.as_json() for publication in list(self.publications)],
        }


class Page(NamedTuple):
    """Entries, oldest first, and the `seq` to search from for whatever comes after them."""

    entries: list[Entry]
    last_seq: int


class Store:
    """The newest `max_messages` messages; the oldest is forgotten when one more arrives."""

    def __init__(self, max_messages: int = MAX_MESSAGES) -> None:
        self._max_messages = max_messages
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._last_seq = 0

    def add(self, message: Message) -> Entry:
        """Keep `message` as the newest, received now."""
        self._last_seq += 1
        entry = Entry(self._last_seq, datetime.now(UTC), message)
        self._entries[message.id] = entry
        if len(self._entries) > self._max_messages:
            self._entries.popitem(last=False)
        return entry

    def get(self, message_id: str) -> Entry | None:
        """The entry of the message with that id, if it is still kept."""
        return self._entries.get(message_id)

    def find(self, *, since: int | None, kind: Kind | None, to: str | None, limit: int) -> Page:
        """At most `limit` entries of that kind and recipient (None: any; letter case is ignored).

        With `since`, the oldest ones after that seq, so that a reader who asks again from
        `last_seq` misses none. Without it, the newest ones.
        """
        wanted = to.casefold() if to is not None else None
        after = since or 0
        newest_first = takewhile(lambda e: e.seq > after, reversed(self._entries.values()))
        matching = (
            entry
            for entry in newest_first
            if (kind is None or entry.message.kind == kind)
            and (wanted is None or wanted in map(str.casefold, entry.message.recipients))
        )
        if since is None:
            return Page(list(islice(matching, limit))[::-1], self._last_seq)
        entries = list(matching)[::-1]
        if len(entries) <= limit:
            return Page(entries, self._last_seq)
        return Page(entries[:limit], entries[limit - 1].seq)

    def counts(self) -> Counter[Kind]:
        """How many messages of each kind are kept."""
        return Counter(entry.message.kind for entry in self._entries.values())

    def clear(self) -> None:
        """Forget every message; `seq` goes on from where it was."""
        self._entries.clear()
