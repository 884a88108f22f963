"""The sentences of a story, for every state, event, source, reason and hold."""

from django.utils.translation import gettext_lazy as _

from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, LogEvent, LogSource

IT = {Channel.EMAIL: _("the mailbox"), Channel.SMS: _("the phone")}
#: What a state means for the reader; `{it}` is the mailbox or the phone.
STATES = {
    DeliveryState.DUE: _("It is about to be sent."),
    DeliveryState.SENDING: _("It is being sent now."),
    DeliveryState.RETRYING: _("It could not be sent yet, and is tried again by itself."),
    DeliveryState.UNKNOWN: _("It may have arrived: the connection broke while it was handed over."),
    DeliveryState.ACCEPTED: _("It was handed over; {it} has not confirmed it yet."),
    DeliveryState.DELIVERED: _("It arrived at {it}."),
    DeliveryState.BOUNCED: _("It came back: {it} did not take it."),
    DeliveryState.COMPLAINED: _("It arrived, and was reported as unwanted."),
    DeliveryState.REJECTED: _("It could not be sent."),
    DeliveryState.EXHAUSTED: _("It could not be sent although it was tried many times."),
    DeliveryState.SKIPPED: _("It was not sent."),
    DeliveryState.HELD: _("It waits."),
    DeliveryState.FOLDED: _("It was sent together with others."),
}
#: In place of the words of DUE, if its time has not come.
PLANNED, PLANNED_FOR = _("It is planned for later."), _("planned")
#: The same for a list, after the name of the channel and a colon.
BRIEF = {
    DeliveryState.DUE: _("about to be sent"),
    DeliveryState.SENDING: _("being sent"),
    DeliveryState.RETRYING: _("to be tried again"),
    DeliveryState.UNKNOWN: _("may have arrived"),
    DeliveryState.ACCEPTED: _("handed over"),
    DeliveryState.DELIVERED: _("arrived"),
    DeliveryState.BOUNCED: _("came back"),
    DeliveryState.COMPLAINED: _("reported as unwanted"),
    DeliveryState.REJECTED: _("refused"),
    DeliveryState.EXHAUSTED: _("given up"),
    DeliveryState.SKIPPED: _("not sent"),
    DeliveryState.HELD: _("waits"),
    DeliveryState.FOLDED: _("sent with others"),
}
EVENTS = {
    LogEvent.SKIPPED: _("Not sent"),
    LogEvent.HELD: _("Held back"),
    LogEvent.RELEASED: _("The wait is over"),
    LogEvent.FOLDED: _("Put together with others"),
    LogEvent.CALLING: _("Handing it over"),
    LogEvent.NOT_CALLED: _("Not handed over after all"),
    LogEvent.ACCEPTED: _("Handed over"),
    LogEvent.DELAYED: _("On its way, but late"),
    LogEvent.REPLIED: _("An automatic reply came"),
    LogEvent.DELIVERED: _("Arrived"),
    LogEvent.BOUNCED: _("Came back"),
    LogEvent.COMPLAINED: _("Reported as unwanted"),
    LogEvent.TRANSIENT: _("Refused for now"),
    LogEvent.PERMANENT: _("Refused"),
    LogEvent.AMBIGUOUS: _("No answer"),
    LogEvent.LOST_BEFORE_CALL: _("Our sender stopped before it was handed over"),
    LogEvent.LOST_AFTER_CALL: _("Our sender stopped while it was handed over"),
    LogEvent.RESTORED: _("May have been sent: our records are those of a backup"),
    LogEvent.RESEND: _("To be sent again"),
    LogEvent.LEFT: _("Left for the office to decide"),
    LogEvent.FALLBACK: _("Another way was taken instead"),
}
#: Who brought it about. A worker is the usual case, and goes without saying.
SOURCES = {
    LogSource.NOTIFY: _("decided when the message was made"),
    LogSource.WORKER: "",
    LogSource.EVENT: _("reported by the provider"),
    LogSource.SWEEP: _("by our own rules"),
    LogSource.PERSON: _("by a person"),
}

_KIND = _("the kind of message")
_COMPANY = _("the company's rule")
_CHOICE = _("the person's choice")
_OBJECTION = _("the person's objection, which binds by law")
_HOUSE = _("our own settings")
_CONTACT = _("the contact details")
_ADDRESS_LIST = _("the list of suppressed addresses")
#: Who or what decided, for each reason.
DECIDERS = {
    Reason.KIND_REQUIRED: _KIND,
    Reason.COMPANY_FORCED_ON: _COMPANY,
    Reason.PERSON_ON: _CHOICE,
    Reason.COMPANY_DEFAULT_ON: _COMPANY,
    Reason.KIND_DEFAULT_ON: _KIND,
    Reason.KEPT_ONE: _KIND,
    Reason.SENT_NOW: _CHOICE,
    Reason.QUIET_HOURS: _CHOICE,
    Reason.TEXT_HOURS: _HOUSE,
    Reason.PAUSED: _CHOICE,
    Reason.DIGEST: _CHOICE,
    Reason.CAP: _HOUSE,
    Reason.BUNDLE: _KIND,
    Reason.STOPPED: _OBJECTION,
    Reason.COMPLAINED: _OBJECTION,
    Reason.UNSUBSCRIBED: _OBJECTION,
    Reason.KIND_FORBIDDEN: _KIND,
    Reason.COMPANY_FORCED_OFF: _COMPANY,
    Reason.PERSON_OFF: _CHOICE,
    Reason.COMPANY_DEFAULT_OFF: _COMPANY,
    Reason.KIND_DEFAULT_OFF: _KIND,
    Reason.SETTLED: _("what happened meanwhile"),
    Reason.READ: _KIND,
    Reason.EXPIRED: _KIND,
    Reason.SMS_DISABLED: _HOUSE,
    Reason.NO_CONTACT: _CONTACT,
    Reason.DEACTIVATED: _("the account"),
    Reason.NO_EMAIL: _CONTACT,
    Reason.EMAIL_UNVERIFIED: _CONTACT,
    Reason.EMAIL_UNWANTED: _CONTACT,
    Reason.NO_PHONE: _CONTACT,
    Reason.PHONE_UNVERIFIED: _CONTACT,
    Reason.NO_CONSENT: _CONTACT,
    Reason.SUPPRESSED_BOUNCE: _ADDRESS_LIST,
    Reason.SUPPRESSED_COMPLAINT: _ADDRESS_LIST,
    Reason.SUPPRESSED_OPT_OUT: _ADDRESS_LIST,
    Reason.STAGING: _HOUSE,
    Reason.ADDRESS: _CONTACT,
    Reason.ENCODING: _("the text of the message"),
    Reason.BUDGET: _HOUSE,
    Reason.CHANNEL_STOPPED: _("the stop of the channel"),
}
#: What ends each hold; the time follows.
RELEASES = {
    Reason.QUIET_HOURS: _("It is sent when the quiet hours end"),
    Reason.TEXT_HOURS: _("It is sent when texts may be sent again"),
    Reason.PAUSED: _("It is sent when the pause ends"),
    Reason.DIGEST: _("It goes with the daily digest"),
    Reason.CAP: _("It is sent when the hour is over"),
    Reason.BUNDLE: _("It is sent with others of its kind"),
}
