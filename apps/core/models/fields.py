"""Database fields of our own."""

from typing import Any

from django.db import models

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


class CanonicalEmailField(_Canonical, models.EmailField):
    """An e-mail address."""


class AddressField(_Canonical, models.CharField):
    """An e-mail address or a phone number."""
