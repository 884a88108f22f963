"""How a user is reached."""

import zoneinfo

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext, gettext_noop

from ..reasons import Reason
from ..states import Channel
from .fields import CanonicalEmailField, PhoneField


def validate_e164(number: str) -> None:
    """Raise ValidationError for what cannot be a phone number in the form of ITU-T E.164.

    Countries open new area codes before the metadata has them: see `is_unassigned`.
    """
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        raise ValidationError(
            gettext("Write the number with its country code, as in +12025550123.")
        ) from None
    if not phonenumbers.is_possible_number(parsed) or not _is_of_a_country(parsed):
        raise ValidationError(gettext("No phone can have this number; check its digits."))
    if phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) != number:
        raise ValidationError(gettext("Write + and digits only, as in +12025550123."))


def is_unassigned(number: str) -> bool:
    """Return whether a possible number has no known area code: it is new, or mistyped."""
    try:
        return bool(number) and not phonenumbers.is_valid_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def _is_of_a_country(number: phonenumbers.PhoneNumber) -> bool:
    country = phonenumbers.region_code_for_country_code(number.country_code or 0)
    return country in phonenumbers.SUPPORTED_REGIONS


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            gettext("Choose a time zone by its IANA name, as in America/Chicago.")
        )


def default_time_zone() -> str:
    return settings.TIME_ZONE


class ConsentVia(models.TextChoices):
    """How a person last agreed to text messages, or took that back."""

    PAGE = "page", gettext_noop("on the page of contact details")
    OFFICE = "office", gettext_noop("at the office")
    STOP = "stop", gettext_noop("by answering STOP")
    START = "start", gettext_noop("by answering START")


class Contact(models.Model):
    """A user's addresses.

    The verified address is stored, not a flag, so a changed address is not verified.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="contact"
    )
    email = CanonicalEmailField("e-mail address", blank=True)
    verified_email = CanonicalEmailField(blank=True, editable=False)
    wants_email = models.BooleanField("wants e-mail", default=True, db_default=True)
    phone = PhoneField("mobile number", max_length=16, blank=True, validators=[validate_e164])
    verified_phone = models.CharField(max_length=16, blank=True, editable=False)
    sms_opt_in = models.BooleanField("agreed to text messages", default=False)
    #: The last consent: when, and to which words. Both stay when it is taken back.
    sms_agreed_at = models.DateTimeField(null=True, editable=False)
    sms_agreed_to = models.CharField(max_length=500, blank=True, editable=False, db_default="")
    sms_withdrawn_at = models.DateTimeField(null=True, editable=False)
    #: How `sms_opt_in` got its present value; empty if that is not known.
    sms_via = models.CharField(
        max_length=8, choices=ConsentVia.choices, blank=True, editable=False, db_default=""
    )
    time_zone = models.CharField(
        max_length=64, default=default_time_zone, validators=[validate_time_zone]
    )
    #: The language of pages and messages; empty if none was chosen.
    language = models.CharField(
        max_length=16, choices=settings.LANGUAGES, blank=True, default="", db_default=""
    )

    def __str__(self) -> str:
        return f"contact of {self.user}"

    def why_not(self, channel: Channel) -> Reason | None:
        """Return why this person cannot be reached on the channel; None if they can."""
        if not self.user.is_active:
            return Reason.DEACTIVATED
        if channel == Channel.EMAIL:
            if not self.email:
                return Reason.NO_EMAIL
            if self.email != self.verified_email:
                return Reason.EMAIL_UNVERIFIED
            return None if self.wants_email else Reason.EMAIL_UNWANTED
        if not self.phone:
            return Reason.NO_PHONE
        if self.phone != self.verified_phone:
            return Reason.PHONE_UNVERIFIED
        return None if self.sms_opt_in else Reason.NO_CONSENT

    @staticmethod
    def consent(channel: Channel) -> str:
        """Return the name of the field that holds the person's consent for the channel."""
        return "wants_email" if channel == Channel.EMAIL else "sms_opt_in"

    def address(self, channel: Channel) -> str:
        return self.email if channel == Channel.EMAIL else self.phone

    def is_verified(self, channel: Channel) -> bool:
        verified = self.verified_email if channel == Channel.EMAIL else self.verified_phone
        return bool(verified) and verified == self.address(channel)
