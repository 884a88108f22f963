"""The life of a delivery: every state, what it means, and the moves that are allowed."""

from django.db import models


class Channel(models.TextChoices):
    """The ways out of the house. In-app is not one: the notification's row is that message."""

    EMAIL = "email", "E-mail"
    SMS = "sms", "Text message"


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
    #: Claimed by a worker, which holds it until `lease_until`.
    SENDING = "sending", "Sending"
    #: Refused for now; the five-minute sweep makes it due again after `next_attempt_at`.
    RETRYING = "retrying", "Waiting to retry"
    #: The provider may have it. Settled by policy after `next_attempt_at`, or by a person.
    UNKNOWN = "unknown", "Unknown"
    #: The provider took it.
    ACCEPTED = "accepted", "Accepted by the provider"
    #: The provider refused it for good.
    REJECTED = "rejected", "Rejected by the provider"
    #: Refused for now, until the retry horizon was over.
    EXHAUSTED = "exhausted", "Retries exhausted"
    #: Never sent, by our own decision; `reason` says why.
    SKIPPED = "skipped", "Skipped"


FINISHED = frozenset(
    {
        DeliveryState.ACCEPTED,
        DeliveryState.REJECTED,
        DeliveryState.EXHAUSTED,
        DeliveryState.SKIPPED,
    }
)

_S = DeliveryState
#: For each state, those that a delivery may come from. Nothing else moves a row. Answers may come
#: late, after the lease ran out or the policy spoke: an acceptance counts whenever it comes.
SOURCES: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.SENDING: frozenset({_S.DUE}),
    # The last two by a person, who sends it again.
    _S.DUE: frozenset({_S.SENDING, _S.RETRYING, _S.UNKNOWN, _S.EXHAUSTED, _S.REJECTED}),
    _S.RETRYING: frozenset({_S.SENDING, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.SENDING}),
    _S.ACCEPTED: frozenset({_S.SENDING, _S.UNKNOWN, _S.DUE, _S.RETRYING}),
    _S.REJECTED: frozenset({_S.SENDING, _S.UNKNOWN}),
    _S.EXHAUSTED: frozenset({_S.SENDING, _S.UNKNOWN}),
    _S.SKIPPED: frozenset({_S.SENDING}),
}


class LogEvent(models.TextChoices):
    """What a line of the delivery log records."""

    SKIPPED = "skipped", "Skipped"
    CALLING = "calling", "Calling the provider"
    ACCEPTED = "accepted", "Accepted by the provider"
    TRANSIENT = "transient", "Refused for now"
    PERMANENT = "permanent", "Refused for good"
    AMBIGUOUS = "ambiguous", "No answer"
    LEASE_EXPIRED = "lease_expired", "Worker lost"
    RESEND = "resend", "To be sent again"
    LEFT = "left", "Left for a person"
    FALLBACK = "fallback", "Handed to another channel"
