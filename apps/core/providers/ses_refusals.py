"""What SES's refusals speak of, by their words; both ways to it have the same ones.

They are those of https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html and
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
    """Whether what is not verified is the recipient alone, and so no matter of the whole account.

    SES names every identity that failed: where the sender is one of them, as in a Region where
    nothing is set up, every message would be refused alike.
    """
    words = error.detail.lower()
    named = {word.strip("<>,;:.") for word in words.split()}
    ours = parseaddr(sender)[1].lower()
    if named & {ours, ours.rpartition("@")[2]}:
        return False
    return "not verified" in words and any(address.lower() in named for address in recipients)
