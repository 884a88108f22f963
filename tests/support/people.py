"""People who can be reached everywhere."""

from typing import Any

from django.contrib.auth.models import User

from apps.core.models import Contact


def create_contact(user: User, number: str, /, **changes: Any) -> Contact:
    """Give the user a verified address and number, and their consent; keywords change them."""
    address = f"{user.username}@fleet.example"
    values = {
        "email": address,
        "verified_email": address,
        "phone": number,
        "verified_phone": number,
        "sms_opt_in": True,
    }
    return Contact.objects.create(user=user, **{**values, **changes})


def a_person(username: str, phone: str) -> User:
    user = User.objects.create_user(username, first_name=username.capitalize())
    create_contact(user, phone)
    return user
