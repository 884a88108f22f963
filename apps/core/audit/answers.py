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
_ACCOUNT = _("the provider does not accept our account or its settings")
#: Codes and sentences of SES and SNS, the first that fits. SES's bounce types stand at the
#: beginning, each before the more general one.
_BY_WORDS = [
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (r"OnAccountSuppressionList|^Permanent Suppressed", CAUSES[EventCause.OWN_LIST]),
        (r"^Transient MailboxFull|^MailboxFull", _BY_STATUS["2.2"]),
        (r"^Transient MessageTooLarge", _BY_STATUS["2.3"]),
        (r"^Transient (?:Content|Attachment)Rejected|^SpamDetected", _BY_STATUS["7"]),
        (r"^Permanent\b", CAUSES[EventCause.ADDRESS]),
        (r"^(?:Transient|Undetermined)\b", CAUSES[EventCause.TEMPORARY]),
        (r"opted out|OptedOut", CAUSES[EventCause.OPTED_OUT]),
        (r"currently unreachable", _("the phone or its network could not be reached")),
        (r"blocked as spam|carrier has blocked", _("the phone network does not want it")),
        (r"phone has blocked|blocked list", _("the phone takes no texts of ours")),
        (r"invalid phone number|Invalid parameter: PhoneNumber", _("no such number")),
        (r"max price", _("it costs more than one text may")),
        (r"no quota left|daily message quota", _("the provider's own limit is reached")),
        (r"throttl|maximum sending rate|TooManyRequests", _("the provider asks us to slow down")),
        (r"^(?:530|534|535|538|sender|unsupported)\b|credential|not verified", _ACCOUNT),
        (r"AccessDenied|AuthorizationError|ExpiredToken|InvalidClientTokenId", _ACCOUNT),
        (r"SignatureDoesNotMatch|UnrecognizedClient|not authorized|security token", _ACCOUNT),
        (r"sending (?:is )?(?:paused|suspended|disabled)|account is paused", _ACCOUNT),
        (r"time[d]?[ -]?out|connect|no answer", _("the provider could not be reached")),
        (r"its workers were lost", _("our senders stopped before they could hand it over")),
    )
]


def plain(words: str, cause: str | None = None) -> str:
    """Return what an answer means, by its code, our cause or its words; "" if that is not known."""
    if found := _STATUS.search(words):
        subject, detail = found["subject"], found["detail"]
        if known := _BY_STATUS.get(f"{subject}.{detail}") or _BY_STATUS.get(subject):
            return str(known)
    by_words = (meaning for pattern, meaning in _BY_WORDS if pattern.search(words))
    # A temporary failure says the least.
    if cause and cause != EventCause.TEMPORARY:
        return str(CAUSES[EventCause(cause)])
    return str(next(by_words, CAUSES[EventCause(cause or "")]))
