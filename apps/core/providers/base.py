"""What a provider is given, what it gives back, and how it must fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar


@dataclass(frozen=True)
class EmailMessage:
    """One e-mail to one address. Tag names and values are ASCII letters, digits, `_` and `-`."""

    to: str
    subject: str
    text: str
    html: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SMSMessage:
    """One text message to one E.164 number."""

    to: str
    text: str


@dataclass(frozen=True)
class Acceptance:
    """The provider took the message. `message_id` is its own id, empty where it gives none."""

    provider: str
    message_id: str = ""


Message_contra = TypeVar("Message_contra", contravariant=True)


class Provider(Protocol[Message_contra]):
    """What takes messages of one sort."""

    name: str

    def prepare(self) -> None:
        """Open what the call needs, where that takes time, so that the call itself is short.

        Nothing is sent yet. Implementations must raise TransientError where it cannot be opened.
        """

    def send(self, message: Message_contra) -> Acceptance:
        """Hand the message over, once, with no retry of its own.

        Implementations must raise TransientError where the message was certainly not taken,
        PermanentError where it never will be, and AmbiguousError where nobody knows.
        """
