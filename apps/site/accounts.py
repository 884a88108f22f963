"""Find a user by what people type: a username or an e-mail address, in any case."""

from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.db.models import F, Q
from django.http import HttpRequest

from apps.core import addresses


def find(typed: str) -> Any:
    """Return the one user of this name or verified address, with their contact, or None.

    A username spelled exactly so wins, then one that differs in case, then an address.
    """
    name = typed.strip()
    # PostgreSQL refuses NUL in a query.
    if not name or "\0" in name:
        return None
    users = get_user_model()._default_manager.select_related("contact")
    found = list(users.filter(Q(username__iexact=name) | _has_verified(name)))
    for chosen in (
        [user for user in found if user.get_username() == name],
        [user for user in found if user.get_username().lower() == name.lower()],
        found,
    ):
        if len(chosen) == 1:
            return chosen[0]
    return None


def _has_verified(address: str) -> Q:
    # An address that is not confirmed may be another person's.
    verified = Q(contact__verified_email=addresses.canonical(address))
    return verified & Q(contact__verified_email=F("contact__email"))


class NameOrAddressBackend(ModelBackend):
    """Signs in by a username or a verified e-mail address, in any case, and a password."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_: Any,
    ) -> User | None:
        if username is None or password is None:
            return None
        user = find(username)
        if user is None:
            # Takes as long as for a user that exists.
            get_user_model()().set_password(password)
        elif user.check_password(password) and self.user_can_authenticate(user):
            return cast("User", user)
        return None
