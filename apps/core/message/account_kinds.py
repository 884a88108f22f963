"""The kinds of message about a person's own account. Each goes to one address, at once."""

from apps.core.models import Notification
from apps.core.models.verification import code, token
from apps.core.states import Priority

from .kinds import Category, Context, NotificationKind, Text, register
from .links import absolute, confirm_path, new_password_path

ACCOUNT = Category("account", "Your account")


class ConfirmEmail(Context):
    address: Text
    #: The ID of the verification, from which its link or code follows.
    verification: Text


class ConfirmPhone(Context):
    number: Text
    verification: Text


class AddressChanged(Context):
    #: "e-mail address" or "mobile number".
    what: Text
    changed_by: Text


class NewPassword(Context):
    username: Text


def _confirm_link(notification: Notification) -> dict[str, str]:
    made = token(notification.context["verification"])
    return {"action_url": absolute(confirm_path(made))}


def _code(notification: Notification) -> dict[str, str]:
    return {"code": code(notification.context["verification"])}


def _password_link(notification: Notification) -> dict[str, str]:
    return {"action_url": absolute(new_password_path(notification.recipient))}


_SAMPLE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"

CONFIRM_EMAIL = register(
    NotificationKind(
        "confirm_email",
        "Confirm your e-mail address",
        ACCOUNT,
        Priority.URGENT,
        ConfirmEmail(address="jane@rssystems.com", verification=_SAMPLE_ID),
        secrets=_confirm_link,
    )
)
CONFIRM_PHONE = register(
    NotificationKind(
        "confirm_phone",
        "Confirm your mobile number",
        ACCOUNT,
        Priority.URGENT,
        ConfirmPhone(number="+12025550123", verification=_SAMPLE_ID),
        secrets=_code,
    )
)
ADDRESS_CHANGED = register(
    NotificationKind(
        "address_changed",
        "Contact details changed",
        ACCOUNT,
        Priority.URGENT,
        AddressChanged(what="e-mail address", changed_by="Sam Whitaker"),
    )
)
NEW_PASSWORD = register(
    NotificationKind(
        "new_password",
        "Choose a new password",
        ACCOUNT,
        Priority.URGENT,
        NewPassword(username="jane"),
        secrets=_password_link,
    )
)
