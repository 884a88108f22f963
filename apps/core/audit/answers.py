"""What providers and mail servers answer, in plain words."""

import re

from django.utils.translation import gettext_lazy as _

from apps.core.states import EventCause

#: An enhanced status code, as in `smtp; 550 5.1.1 user unknown`.
_STATUS = re.compile(r"(?<![\d.])[45]\.(?P<subject>\d{1,3})\.(?P<detail>\d{1,3})\b")
#: Subject and detail, or the subject alone. RFC 3463; 1.10 is of RFC 7505.
_BY_STATUS = {
    "1.1": _("no such mailbox"),
    "1.2": _("no such domain"),
    "1.3": _("the address is malformed"),
    "1.6": _("the mailbox has moved"),
    "1.10": _("the domain takes no e-mail"),
    "2.1": _("the mailbox is switched off"),
    "2.2": _("the mailbox is full"),
    "2.3": _("the message is too large"),
    "3.4": _("the message is too large"),
    "4": _("the mail server could not be reached in time"),
    "7": _("the mail server does not want it"),
}
CAUSES = {
    EventCause.NONE: "",
    EventCause.ADDRESS: _("the address does not work"),
    EventCause.TEMPORARY: _("it could not be delivered for now"),
    EventCause.OWN_LIST: _("the provider keeps the address on its own list"),
    EventCause.OPTED_OUT: _("the owner of the number answered STOP"),
}


def plain(words: str, cause: str | None = None) -> str:
    """Return what an answer means, by its status code or our cause; "" if that is not known."""
    if found := _STATUS.search(words):
        subject, detail = found["subject"], found["detail"]
        if known := _BY_STATUS.get(f"{subject}.{detail}") or _BY_STATUS.get(subject):
            return str(known)
    return str(CAUSES[EventCause(cause or "")])
