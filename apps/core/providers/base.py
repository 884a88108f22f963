"""The contract of a provider: its messages, its answer and its errors."""

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
    #: Further headers, in ASCII.
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SMSMessage:
    """One text message to one E.164 number."""

    to: str
    text: str


@dataclass(frozen=True)
class Acceptance:
    """The provider accepted the message. `message_id` is empty if the provider gives none."""

    provider: str
    message_id: str = ""


Message_contra = TypeVar("Message_contra", contravariant=True)


class Provider(Protocol[Message_contra]):
    """Sends messages of one kind."""

    name: str

    def prepare(self) -> None:
        """Open what the call needs, so that the call itself is short. Send nothing.

        Implementations must raise TransientError if it cannot be opened.
        """

    def check(self, message: Message_contra) -> None:
        """Raise NotSendable if the message cannot be encoded. Send nothing.

        Implementations must raise ChannelUnavailableError if the settings are at fault.
        """

    def send(self, message: Message_contra) -> Acceptance:
        """Hand the message over, once, with no retry of its own.

        Implementations must raise TransientError if the provider certainly does not have the
        message, PermanentError if it never will, and AmbiguousError if that is unknown.
        """
