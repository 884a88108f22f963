"""Errors whose class says what to do about a delivery."""


class NotificationError(Exception):
    """Base of every error that the notification system raises on purpose."""


class UnknownKind(NotificationError, LookupError):
    """No notification kind is registered under this name."""


class InvalidContext(NotificationError, ValueError):
    """The context does not fit the kind's context type; the message names each field."""


class DeliveryError(NotificationError):
    """One attempt did not end in acceptance.

    `code` is the provider's own short code (an SMTP reply code, an AWS error code), `detail` its
    words.
    """

    def __init__(self, detail: str, *, code: str = "") -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail


class TransientError(DeliveryError):
    """The provider certainly does not have the message and may accept it later: try again."""


class ThrottledError(TransientError):
    """The provider asked us to slow down."""


class ChannelUnavailableError(TransientError):
    """Nothing can be sent on this channel until a person acts: credentials, a paused account."""


class PermanentError(DeliveryError):
    """The provider will never accept this message: give up, with the reason."""


class AmbiguousError(DeliveryError):
    """The request went out and no answer came: the provider may or may not have the message."""


class NotSendable(DeliveryError):
    """We decline to send this delivery: skip it, with the reason."""


class BudgetExhausted(NotSendable):
    """The month's budget has no room for this text message."""


class NotCalled(NotificationError):
    """This attempt ends without a call: no rate slot came in time, or its lease is over.

    `is_announced` says whether the log has a "calling" entry for it.
    """

    def __init__(self, reason: str, *, is_announced: bool) -> None:
        super().__init__(reason)
        self.is_announced = is_announced
