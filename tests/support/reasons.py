"""The reasons of a decision by what follows: to send, or not to send."""

from apps.core.reasons import OFF_REASONS, STALE_REASONS, Reason

SEND = {
    Reason.KIND_REQUIRED,
    Reason.COMPANY_FORCED_ON,
    Reason.PERSON_ON,
    Reason.COMPANY_DEFAULT_ON,
    Reason.KIND_DEFAULT_ON,
    Reason.KEPT_ONE,
    Reason.SENT_NOW,
}
#: What keeps a person from being reached on a channel.
UNREACHABLE = [
    Reason.SMS_DISABLED,
    Reason.NO_CONTACT,
    Reason.DEACTIVATED,
    Reason.NO_EMAIL,
    Reason.EMAIL_UNVERIFIED,
    Reason.EMAIL_UNWANTED,
    Reason.NO_PHONE,
    Reason.PHONE_UNVERIFIED,
    Reason.NO_CONSENT,
]
#: What keeps a message from being sent, whatever anybody decided.
UNSENDABLE = [
    Reason.SUPPRESSED_BOUNCE,
    Reason.SUPPRESSED_COMPLAINT,
    Reason.SUPPRESSED_OPT_OUT,
    Reason.STAGING,
    Reason.ADDRESS,
    Reason.ENCODING,
    Reason.BUDGET,
    Reason.CHANNEL_STOPPED,
]
SKIP = [*map(Reason, OFF_REASONS), *map(Reason, STALE_REASONS), *UNREACHABLE, *UNSENDABLE]
