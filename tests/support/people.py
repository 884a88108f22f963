"""People who may be sent anything."""

from django.contrib.auth.models import User

from apps.core.models import Contact


def a_person(username: str, phone: str) -> User:
    user = User.objects.create_user(username, first_name=username.capitalize())
    address = f"{username}@fleet.example"
    Contact.objects.create(
        user=user,
        email=address,
        verified_email=address,
        phone=phone,
        verified_phone=phone,
        sms_opt_in=True,
    )
    return user
