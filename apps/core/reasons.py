"""Why a delivery is sent, held or skipped: codes for the database, texts for people."""

from enum import StrEnum

from django.db import models
from django.utils.translation import gettext_noop as _


class Verdict(StrEnum):
    """What is to be done with a delivery now."""

    SEND = "send"
    HOLD = "hold"
    SKIP = "skip"


class Reason(models.TextChoices):
    """Every reason for a decision about a delivery. A code is stored, and never changes.

    The labels are English, since they are stored and logged too; pages translate them.
    """

    # Sent, because a person, a company or the kind switched this on.
    KIND_REQUIRED = "kind_required", _("messages of this kind are always sent this way")
    COMPANY_FORCED_ON = "company_forced_on", _("the company sends these messages to everyone")
    PERSON_ON = "person_on", _("chosen by this person")
    COMPANY_DEFAULT_ON = "company_default_on", _("switched on by the company")
    KIND_DEFAULT_ON = "kind_default_on", _("sent this way unless somebody chooses otherwise")
    KEPT_ONE = "kept_one", _("one way outside the app must stay open for these messages")
    SENT_NOW = "sent_now", _("this person asked for it now")

    # Held. The same codes stand in `Delivery.held_for`.
    QUIET_HOURS = "quiet_hours", _("it waits for the end of this person's quiet hours")
    TEXT_HOURS = "text_hours", _("texts are sent by day only, in this person's time zone")
    PAUSED = "paused", _("this person has paused messages")
    DIGEST = "digest", _("it waits for the daily digest")
    CAP = "cap", _("this person has got the most messages that one may get in an hour")
    BUNDLE = "bundle", _("a message of the same kind went out just before")

    # Skipped, because a person, a company, the kind or the law switched this off.
    STOPPED = "stopped", _("this person answered STOP")
    COMPLAINED = "complained", _("this person complained about a message")
    UNSUBSCRIBED = "unsubscribed", _("this person unsubscribed from these messages")
    KIND_FORBIDDEN = "kind_forbidden", _("messages of this kind are never sent this way")
    COMPANY_FORCED_OFF = "company_forced_off", _("the company has switched these messages off")
    PERSON_OFF = "person_off", _("switched off by this person")
    COMPANY_DEFAULT_OFF = "company_default_off", _("switched off by the company")
    KIND_DEFAULT_OFF = "kind_default_off", _("off unless somebody switches it on")

    # Skipped, because it would say what is no longer true or no longer matters.
    SETTLED = "settled", _("the matter was settled before this was sent")
    READ = "read", _("it was read in the app before this was sent")
    EXPIRED = "expired", _("its time was over before it could be sent")

    # Skipped, because this person cannot be reached this way.
    SMS_DISABLED = "sms_disabled", _("text messages are switched off (SMS_ENABLED)")
    NO_CONTACT = "no_contact", _("has no contact details")
    DEACTIVATED = "deactivated", _("account is deactivated")
    NO_EMAIL = "no_email", _("has no e-mail address")
    EMAIL_UNVERIFIED = "email_unverified", _("e-mail address is not verified")
    EMAIL_UNWANTED = "email_unwanted", _("wants no e-mail")
    NO_PHONE = "no_phone", _("has no mobile number")
    PHONE_UNVERIFIED = "phone_unverified", _("mobile number is not verified")
    NO_CONSENT = "no_consent", _("has not agreed to text messages")

    # Skipped, because it cannot or must not be sent.
    SUPPRESSED_BOUNCE = "suppressed_bounce", _("messages to this address bounce")
    SUPPRESSED_COMPLAINT = "suppressed_complaint", _("the owner of this address complained")
    SUPPRESSED_OPT_OUT = "suppressed_opt_out", _("the owner of this number answered STOP")
    STAGING = "staging", _("not among the recipients that staging may reach")
    ADDRESS = "address", _("the address cannot be written in a message")
    ENCODING = "encoding", _("the message cannot be written as an e-mail")
    BUDGET = "budget", _("the month's budget for texts is spent")
    CHANNEL_STOPPED = "channel_stopped", _("the channel is stopped and another one stands in")


def _among(*reasons: Reason) -> dict[str, str]:
    return {reason.value: str(reason.label) for reason in reasons}


#: Code and text.
HOLD_REASONS = _among(
    Reason.QUIET_HOURS,
    Reason.TEXT_HOURS,
    Reason.PAUSED,
    Reason.DIGEST,
    Reason.CAP,
    Reason.BUNDLE,
)
#: What a person, a company, the kind or the law has switched off.
OFF_REASONS = _among(
    Reason.STOPPED,
    Reason.COMPLAINED,
    Reason.UNSUBSCRIBED,
    Reason.KIND_FORBIDDEN,
    Reason.COMPANY_FORCED_OFF,
    Reason.PERSON_OFF,
    Reason.COMPANY_DEFAULT_OFF,
    Reason.KIND_DEFAULT_OFF,
)
#: What has become pointless.
STALE_REASONS = _among(Reason.SETTLED, Reason.READ, Reason.EXPIRED)
#: Held deliveries that are sent as one message at the end. The others are sent one by one.
FOLDED_HOLDS = frozenset({Reason.PAUSED, Reason.DIGEST, Reason.CAP, Reason.BUNDLE})
#: The person cannot change what was decided for one of these reasons.
LOCKED = frozenset(
    {
        Reason.KIND_REQUIRED,
        Reason.KIND_FORBIDDEN,
        Reason.COMPANY_FORCED_ON,
        Reason.COMPANY_FORCED_OFF,
        Reason.KEPT_ONE,
    }
)
