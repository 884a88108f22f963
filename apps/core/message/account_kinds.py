"""The kinds of message about a person's own account. Each goes to one address, at once."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_noop

from apps.core.models import Notification
from apps.core.models.verification import VALID_FOR, Purpose, code, token
from apps.core.states import Channel, Priority

from .kinds import Category, Context, NotificationKind, Text, register
from .links import absolute, confirm_path, new_password_path

ACCOUNT = Category("account", gettext_noop("Your account"), is_fixed=True)


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


def _confirm_link(notification: Notification) -> str:
    return absolute(confirm_path(token(notification.context["verification"])))


def _code(notification: Notification) -> str:
    return code(notification.context["verification"])


def _password_link(notification: Notification) -> str:
    return absolute(new_password_path(notification.recipient))


def _rules(*channels: Channel, valid_for: timedelta | None = None) -> dict[str, Any]:
    """Return what these kinds share: they cannot be switched off and never wait."""
    return {
        "required": frozenset(channels),
        "is_never_held": True,
        "expires_after": valid_for,
    }


_SAMPLE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"

CONFIRM_EMAIL = register(
    NotificationKind(
        "confirm_email",
        gettext_noop("Confirm your e-mail address"),
        ACCOUNT,
        Priority.URGENT,
        ConfirmEmail(address="jane@rssystems.com", verification=_SAMPLE_ID),
        secrets={"action_url": _confirm_link},
        **_rules(Channel.EMAIL, valid_for=VALID_FOR[Purpose.EMAIL]),
    )
)
CONFIRM_PHONE = register(
    NotificationKind(
        "confirm_phone",
        gettext_noop("Confirm your mobile number"),
        ACCOUNT,
        Priority.URGENT,
        ConfirmPhone(number="(202) 555-0123", verification=_SAMPLE_ID),
        secrets={"code": _code},
        **_rules(Channel.SMS, valid_for=VALID_FOR[Purpose.PHONE]),
    )
)
ADDRESS_CHANGED = register(
    NotificationKind(
        "address_changed",
        gettext_noop("Contact details changed"),
        ACCOUNT,
        Priority.URGENT,
        AddressChanged(what="e-mail address", changed_by="Sam Whitaker"),
        **_rules(*Channel),
    )
)
NEW_PASSWORD = register(
    NotificationKind(
        "new_password",
        gettext_noop("Choose a new password"),
        ACCOUNT,
        Priority.URGENT,
        NewPassword(username="jane"),
        secrets={"action_url": _password_link},
        **_rules(Channel.EMAIL, valid_for=VALID_FOR[Purpose.PASSWORD]),
    )
)
