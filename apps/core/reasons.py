"""Why a delivery is sent, held or skipped: codes for the database, texts for people."""

from enum import StrEnum

from django.db import models


class Verdict(StrEnum):
    """What is to be done with a delivery now."""

    SEND = "send"
    HOLD = "hold"
    SKIP = "skip"


class Reason(models.TextChoices):
    """Every reason for a decision about a delivery. A code is stored, and never changes."""

    # Sent, because somebody or something switched this on.
    KIND_REQUIRED = "kind_required", "messages of this kind are always sent this way"
    COMPANY_FORCED_ON = "company_forced_on", "the company sends these messages to everyone"
    PERSON_ON = "person_on", "chosen by this person"
    COMPANY_DEFAULT_ON = "company_default_on", "switched on by the company"
    KIND_DEFAULT_ON = "kind_default_on", "sent this way unless somebody chooses otherwise"
    KEPT_ONE = "kept_one", "one way outside the app must stay open for these messages"
    SENT_NOW = "sent_now", "this person asked for it now"

    # Held. The same codes stand in `Delivery.held_for`.
    QUIET_HOURS = "quiet_hours", "it waits for the end of this person's quiet hours"
    TEXT_HOURS = "text_hours", "texts are sent by day only, in this person's time zone"
    PAUSED = "paused", "this person has paused messages"
    DIGEST = "digest", "it waits for the daily digest"
    CAP = "cap", "this person has got the most messages that one may get in an hour"
    BUNDLE = "bundle", "a message of the same kind went out just before"

    # Skipped, because somebody or something switched this off.
    STOPPED = "stopped", "this person answered STOP"
    COMPLAINED = "complained", "this person complained about a message"
    UNSUBSCRIBED = "unsubscribed", "this person unsubscribed from these messages"
    KIND_FORBIDDEN = "kind_forbidden", "messages of this kind are never sent this way"
    COMPANY_FORCED_OFF = "company_forced_off", "the company has switched these messages off"
    PERSON_OFF = "person_off", "switched off by this person"
    COMPANY_DEFAULT_OFF = "company_default_off", "switched off by the company"
    KIND_DEFAULT_OFF = "kind_default_off", "off unless somebody switches it on"

    # Skipped, because it would say what is no longer true or no longer matters.
    SETTLED = "settled", "the matter was settled before this was sent"
    READ = "read", "it was read in the app before this was sent"
    EXPIRED = "expired", "its time was over before it could be sent"

    # Skipped, because this person cannot be reached this way.
    SMS_DISABLED = "sms_disabled", "text messages are switched off (SMS_ENABLED)"
    NO_CONTACT = "no_contact", "has no contact details"
    DEACTIVATED = "deactivated", "account is deactivated"
    NO_EMAIL = "no_email", "has no e-mail address"
    EMAIL_UNVERIFIED = "email_unverified", "e-mail address is not verified"
    EMAIL_UNWANTED = "email_unwanted", "wants no e-mail"
    NO_PHONE = "no_phone", "has no mobile number"
    PHONE_UNVERIFIED = "phone_unverified", "mobile number is not verified"
    NO_CONSENT = "no_consent", "has not agreed to text messages"

    # Skipped, because it cannot or must not be sent.
    SUPPRESSED_BOUNCE = "suppressed_bounce", "messages to this address bounce"
    SUPPRESSED_COMPLAINT = "suppressed_complaint", "the owner of this address complained"
    SUPPRESSED_OPT_OUT = "suppressed_opt_out", "the owner of this number answered STOP"
    STAGING = "staging", "not among the recipients that staging may reach"
    ADDRESS = "address", "the address cannot be written in a message"
    ENCODING = "encoding", "the message cannot be written as an e-mail"
    BUDGET = "budget", "the month's budget for texts is spent"
    CHANNEL_STOPPED = "channel_stopped", "the channel is stopped and another one stands in"


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
#: What keeps a person from being reached on a channel.
UNREACHABLE_REASONS = _among(
    Reason.SMS_DISABLED,
    Reason.NO_CONTACT,
    Reason.DEACTIVATED,
    Reason.NO_EMAIL,
    Reason.EMAIL_UNVERIFIED,
    Reason.EMAIL_UNWANTED,
    Reason.NO_PHONE,
    Reason.PHONE_UNVERIFIED,
    Reason.NO_CONSENT,
)
#: What keeps a message from being sent, whatever anybody decided.
UNSENDABLE_REASONS = _among(
    Reason.SUPPRESSED_BOUNCE,
    Reason.SUPPRESSED_COMPLAINT,
    Reason.SUPPRESSED_OPT_OUT,
    Reason.STAGING,
    Reason.ADDRESS,
    Reason.ENCODING,
    Reason.BUDGET,
    Reason.CHANNEL_STOPPED,
)
SKIP_REASONS = OFF_REASONS | STALE_REASONS | UNREACHABLE_REASONS | UNSENDABLE_REASONS
SEND_REASONS = _among(
    Reason.KIND_REQUIRED,
    Reason.COMPANY_FORCED_ON,
    Reason.PERSON_ON,
    Reason.COMPANY_DEFAULT_ON,
    Reason.KIND_DEFAULT_ON,
    Reason.KEPT_ONE,
    Reason.SENT_NOW,
)
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
