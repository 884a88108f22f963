"""Answers that phones send: what SNS does with them, and what it answers by itself.

SNS hands no answer to the application. It shows them by its list of opted-out numbers and in
receipts alone. Words: https://docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html
and opt-out-list-keywords.html. The sentences are the sandbox's own.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

OPT_OUT = frozenset(
    "ARRET CANCEL END OPT-OUT OPTOUT QUIT REMOVE STOP TD UNSUBSCRIBE".split()  # noqa: SIM905
)
OPT_IN = frozenset({"START", "UNSTOP"})
HELP = frozenset({"HELP"})
MAX_REPLIES = 10_000


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a phone, and what SNS answered by itself, if it did."""

    phone: str
    text: str
    answer: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_json(self) -> dict[str, Any]:
        return {
            "phone": self.phone,
            "text": self.text,
            "answer": self.answer,
            "at": self.at.isoformat(timespec="microseconds"),
        }


class Replies:
    """Keeps the newest answers, and changes the list of opted-out numbers."""

    def __init__(self, opted_out: set[str]) -> None:
        self._opted_out = opted_out
        self._kept: deque[Reply] = deque(maxlen=MAX_REPLIES)

    def receive(self, phone: str, text: str) -> Reply:
        """Take an answer: it counts by its first word, in any case."""
        word = (text.split() or [""])[0].upper().rstrip(".!")
        reply = Reply(phone, text, self._answer(phone, word))
        self._kept.append(reply)
        return reply

    def all(self) -> list[Reply]:
        """Return the answers, oldest first."""
        return list(self._kept)

    def clear(self) -> None:
        self._kept.clear()

    def _answer(self, phone: str, word: str) -> str:
        if word in OPT_OUT:
            self._opted_out.add(phone)
            return "You are opted out and get no more messages. Reply START to get them again."
        if word in OPT_IN:
            self._opted_out.discard(phone)
            return "You are opted in again. Reply HELP for help, STOP to end."
        return "Reply STOP to end messages. Msg & data rates may apply." if word in HELP else ""
