"""The contract of a provider: its messages, its answer and its errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar


@dataclass(frozen=True)
class EmailMessage:
    """One e-mail to one address. Tag names and values are ASCII letters, digits, `_` and `-`."""

    to: str
    subject: str
    text: str
    html: str
    tags: Mapping[str, str] = field(default_factory=dict)
    #: Further headers. All but Reply-To are in ASCII.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Empty: the name in the settings.
    sender_name: str = ""


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

    def encode(self, message: Message_contra) -> Any:
        """Return the message as `send` takes it. Send nothing.

        Implementations must raise NotSendable if it cannot be encoded, and ChannelUnavailableError
        if the settings are at fault.
        """

    def send(self, encoded: Any) -> Acceptance:
        """Hand an encoded message over, once, with no retry of its own. Threads may share this.

        Implementations must raise TransientError if the provider certainly does not have the
        message, PermanentError if it never will, and AmbiguousError if that is unknown.
        """
