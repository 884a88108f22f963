"""The life of a delivery: every state, what it means, and the moves that are allowed."""

from django.db import models

# The settings read this module, and the usual function would read the settings.
from django.utils.translation.trans_null import gettext_noop


class Channel(models.TextChoices):
    """What a provider sends by. The app is no channel: the notification's row is that message."""

    EMAIL = "email", gettext_noop("E-mail")
    SMS = "sms", gettext_noop("Text message")


class Priority(models.IntegerChoices):
    """How urgent a notification is. The value is its priority in the broker, where 0 is first."""

    URGENT = 0, "Urgent"
    HIGH = 3, "High"
    MEDIUM = 6, "Medium"
    LOW = 9, "Low"


class DeliveryState(models.TextChoices):
    """Where a delivery stands. docs/lifecycle.md draws it."""

    #: To be sent as soon as `next_attempt_at` has come.
    DUE = "due", "Due"
    #: Waits until `release_at` because of the recipient's settings; `held_for` says which.
    HELD = "held", "Waiting for its time"
    #: Claimed by a worker, which holds it until `lease_until`.
    SENDING = "sending", "Sending"
    #: Refused for now; the five-minute sweep makes it due again after `next_attempt_at`.
    RETRYING = "retrying", "Waiting to retry"
    #: The provider may have it. Settled by policy after `next_attempt_at`, or by a person.
    UNKNOWN = "unknown", "Unknown"
    #: The provider accepted it.
    ACCEPTED = "accepted", "Accepted by the provider"
    #: The provider says that the recipient's mail server or phone has it.
    DELIVERED = "delivered", "Delivered"
    #: The provider accepted it and could not deliver it.
    BOUNCED = "bounced", "Bounced"
    #: The recipient told their mail provider that they do not want it.
    COMPLAINED = "complained", "Complained about"
    #: The provider refused it for good.
    REJECTED = "rejected", "Rejected by the provider"
    #: Refused for now, until the retry horizon was over.
    EXHAUSTED = "exhausted", "Retries exhausted"
    #: Never sent, by our own decision; `reason` says why.
    SKIPPED = "skipped", "Skipped"
    #: Its content left in another delivery of the same digest.
    FOLDED = "folded", "Sent with others"


_S = DeliveryState

#: The provider accepted it, whatever happened afterwards.
SENT = frozenset({_S.ACCEPTED, _S.DELIVERED, _S.BOUNCED, _S.COMPLAINED})
FINISHED = SENT | {_S.REJECTED, _S.EXHAUSTED, _S.SKIPPED, _S.FOLDED}
#: Not sent yet, and no worker has it.
PENDING = frozenset({_S.DUE, _S.HELD, _S.RETRYING})
#: A person may have these sent again.
RESENDABLE = frozenset({_S.UNKNOWN, _S.EXHAUSTED, _S.REJECTED, _S.BOUNCED, _S.SKIPPED})

#: The provider's answer or event still counts in these states. It may come late: after the lease
#: ran out, the policy decided, the retries ended or a further attempt was skipped.
OPEN = PENDING | {_S.SENDING, _S.UNKNOWN, _S.EXHAUSTED, _S.SKIPPED}
#: For each state, those that a delivery may come from. Nothing else moves a row.
SOURCES: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.SENDING: frozenset({_S.DUE}),
    _S.DUE: frozenset({_S.SENDING, _S.RETRYING, _S.HELD}) | RESENDABLE,
    # From sending: the check after the claim found that it must wait.
    _S.HELD: frozenset({_S.DUE, _S.SENDING, _S.RETRYING}),
    _S.RETRYING: frozenset({_S.SENDING, _S.UNKNOWN}),
    # Not from sending only: a restored database does not know what was sent after its backup.
    _S.UNKNOWN: frozenset({_S.SENDING, _S.UNKNOWN}) | PENDING,
    # An earlier attempt of unknown outcome may have been accepted although a later one was refused.
    _S.ACCEPTED: OPEN | {_S.REJECTED},
    _S.DELIVERED: OPEN | {_S.REJECTED, _S.ACCEPTED},
    _S.BOUNCED: OPEN | {_S.ACCEPTED, _S.DELIVERED},
    _S.COMPLAINED: OPEN | {_S.ACCEPTED, _S.DELIVERED, _S.BOUNCED},
    _S.REJECTED: OPEN | {_S.ACCEPTED},
    _S.EXHAUSTED: frozenset({_S.SENDING, _S.UNKNOWN}),
    # Also before sending: its channel is stopped and another takes over, or it became pointless.
    _S.SKIPPED: frozenset({_S.SENDING}) | PENDING,
    _S.FOLDED: frozenset({_S.HELD}),
}


class LogEvent(models.TextChoices):
    """What an entry of the delivery log records."""

    SKIPPED = "skipped", "Skipped"
    HELD = "held", "Held"
    RELEASED = "released", "Released"
    FOLDED = "folded", "Sent with others"
    CALLING = "calling", "Calling the provider"
    #: The call that was announced was not made.
    NOT_CALLED = "not_called", "Call not made"
    ACCEPTED = "accepted", "Accepted by the provider"
    DELAYED = "delayed", "Delivery is delayed"
    REPLIED = "replied", "Automatic reply"
    DELIVERED = "delivered", "Delivered"
    BOUNCED = "bounced", "Bounced"
    COMPLAINED = "complained", "Complained about"
    TRANSIENT = "transient", "Refused for now"
    PERMANENT = "permanent", "Refused for good"
    AMBIGUOUS = "ambiguous", "No answer"
    #: The worker's lease ran out; the provider certainly has nothing.
    LOST_BEFORE_CALL = "lost_before_call", "Worker lost before the call"
    #: The same after the call was announced: the provider may have the message.
    LOST_AFTER_CALL = "lost_after_call", "Worker lost after the call began"
    #: The database is that of a backup, and the message may have been sent since.
    RESTORED = "restored", "The database was restored"
    RESEND = "resend", "To be sent again"
    LEFT = "left", "Left for a person"
    FALLBACK = "fallback", "Handed to another channel"


class LogSource(models.TextChoices):
    """Who wrote an entry of the delivery log."""

    NOTIFY = "notify", "notify()"
    WORKER = "worker", "a worker"
    #: A provider's event.
    EVENT = "event", "the provider's event"
    #: A sweep, by policy.
    SWEEP = "sweep", "the policy"
    PERSON = "person", "a person"


#: After these the provider may or may not have the message.
UNKNOWN_EVENTS = (LogEvent.AMBIGUOUS, LogEvent.LOST_AFTER_CALL, LogEvent.RESTORED)


class Via(models.TextChoices):
    """How an event reached us."""

    WEBHOOK = "webhook", "Webhook"
    QUEUE = "queue", "Queue"
    LOG = "log", "Log of SNS"


#: How an attempt that called the provider can end.
FAILED_ATTEMPTS = (LogEvent.TRANSIENT, LogEvent.PERMANENT, LogEvent.AMBIGUOUS)
ENDS_OF_ATTEMPTS = (LogEvent.ACCEPTED, *FAILED_ATTEMPTS)
#: What became of a delivery without an attempt of its own, or after it.
RESULTS = (LogEvent.DELIVERED, LogEvent.BOUNCED, LogEvent.HELD, LogEvent.SKIPPED)


class EventCause(models.TextChoices):
    """Why a message failed after the provider accepted it, whatever the provider calls it."""

    NONE = "", "-"
    #: Nothing will reach this address.
    ADDRESS = "address", "the address does not work"
    #: A full mailbox, a phone that is off: a later message may arrive.
    TEMPORARY = "temporary", "it failed for now"
    #: The provider did not try: the address is on its own suppression list.
    OWN_LIST = "own_list", "on the provider's suppression list"
    #: The owner of the number answered STOP.
    OPTED_OUT = "opted_out", "the owner opted out"


#: The causes for which a further message to the address would fail as well.
LASTING_CAUSES = (EventCause.ADDRESS, EventCause.OWN_LIST, EventCause.OPTED_OUT)


class EventKind(models.TextChoices):
    """What a provider says later about a message that it accepted, in our words."""

    SENT = "sent", "Accepted"
    DELAYED = "delayed", "Delayed"
    #: The recipient's mailbox answered by itself, as when out of office.
    REPLIED = "replied", "Automatic reply"
    DELIVERED = "delivered", "Delivered"
    #: Accepted, and then refused by the provider's own inspection.
    REJECTED = "rejected", "Rejected"
    BOUNCED = "bounced", "Bounced"
    COMPLAINED = "complained", "Complained about"
