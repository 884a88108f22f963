"""Database fields of our own."""

from typing import Any

import phonenumbers
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import models
from django.utils.translation import gettext

from .. import addresses


class _Canonical:
    """Store and compare addresses in their canonical form, on every database."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)  # type: ignore[misc]
        return addresses.canonical(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))  # type: ignore[misc]

    def pre_save(self, instance: models.Model, add: bool) -> Any:
        value = self.to_python(super().pre_save(instance, add))  # type: ignore[misc]
        if isinstance(value, str):
            setattr(instance, self.attname, value)  # type: ignore[attr-defined]
        return value


def validate_domain(address: str) -> None:
    """Raise ValidationError for a domain that has no form in ASCII: no message can go there."""
    if not address.rpartition("@")[2].isascii():
        raise ValidationError(EmailValidator.message, code=EmailValidator.code)


class CanonicalEmailField(_Canonical, models.EmailField):
    """An e-mail address."""

    default_validators = [*models.EmailField.default_validators, validate_domain]


class AddressField(_Canonical, models.CharField):
    """An e-mail address or a phone number."""


class PhoneField(models.CharField):
    """A phone number, stored in the form of ITU-T E.164 and typed in any common form."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return to_e164(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        # Not Django's, which would take a lookup's value for a typed number.
        return models.Field.get_prep_value(self, value)

    def formfield(self, **kwargs: Any) -> Any:
        # Room for spaces, brackets and dots.
        field = super().formfield(**{"max_length": 40, **kwargs})
        if isinstance(field, forms.CharField):
            field.widget = forms.TextInput(attrs={"type": "tel", "maxlength": 40})
        return field


def to_e164(text: str) -> str:
    """Return a number such as (202) 555-0123 as +12025550123; raise ValidationError."""
    try:
        number = phonenumbers.parse(text, addresses.HOME)
    except phonenumbers.NumberParseException:
        raise ValidationError(
            gettext(
                "Write a phone number, as in (202) 555-0123, or +44 20 7946 0018 for another "
                "country."
            )
        ) from None
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason == phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
        raise ValidationError(gettext("The area code is missing."))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
