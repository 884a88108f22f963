"""Tell by the words of SES's refusals whether they are about the account. Both transports use them.

The words are from https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html and
https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html.
"""

from collections.abc import Iterable
from email.utils import parseaddr

from apps.core.exceptions import DeliveryError

#: In lower case; every message would be refused alike.
OF_ACCOUNT = (
    "access denied",
    "not verified",
    "sending paused",
    "sending suspended",
    "sending is disabled",
    "account is paused",
    "configuration set",
    "daily message quota",
)


def names_recipient(error: DeliveryError, sender: str, recipients: Iterable[str]) -> bool:
    """Return whether only the recipient is not verified, so that other messages can be sent.

    SES names every identity that failed. If the sender is one of them, as in a Region without
    set-up, SES would refuse every message.
    """
    if names_sender(error, sender) or "not verified" not in error.detail.lower():
        return False
    return any(address.lower() in _words(error) for address in recipients)


def names_sender(error: DeliveryError, sender: str) -> bool:
    """Return whether the refusal names the sender's address or its domain."""
    ours = parseaddr(sender)[1].lower()
    return bool(_words(error) & {ours, ours.rpartition("@")[2]})


def _words(error: DeliveryError) -> set[str]:
    return {word.strip("<>\"',;:.") for word in error.detail.lower().split()}
