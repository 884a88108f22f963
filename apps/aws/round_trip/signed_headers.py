"""Which headers of a received e-mail its DKIM signatures cover (RFC 6376, 3.5).

AWS does not document which headers SES signs. Mail providers honor the button to unsubscribe only
if a signature covers both of its headers (RFC 8058, 4).
"""

from email import message_from_bytes, policy
from typing import NamedTuple

ONE_CLICK = ("List-Unsubscribe", "List-Unsubscribe-Post")


class Signature(NamedTuple):
    """One signature: the domain that signed, and the names of the headers, in lower case."""

    domain: str
    headers: frozenset[str]

    def lacks(self) -> list[str]:
        """Return the headers of one-click unsubscribing that it does not cover."""
        return [name for name in ONE_CLICK if name.lower() not in self.headers]


class Received(NamedTuple):
    """What matters here of a received e-mail."""

    #: The headers of one-click unsubscribing that the message does not have.
    missing: list[str]
    signatures: list[Signature]

    @property
    def is_covered(self) -> bool:
        """Return whether one signature covers both headers."""
        return not self.missing and any(not each.lacks() for each in self.signatures)


def read(source: bytes) -> Received:
    """Read the source of a message, as a mail program saves it."""
    message = message_from_bytes(source, policy=policy.compat32)
    signatures = [_signature(str(value)) for value in message.get_all("DKIM-Signature", [])]
    return Received([name for name in ONE_CLICK if name not in message], signatures)


def _signature(value: str) -> Signature:
    # White space may stand everywhere, also where the header was folded.
    pairs = (part.partition("=") for part in "".join(value.split()).split(";"))
    tags = {name: content for name, _, content in pairs}
    covered = frozenset(name for name in tags.get("h", "").lower().split(":") if name)
    return Signature(tags.get("d", ""), covered)
