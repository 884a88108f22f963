"""The fields that the forms of the repair pages share."""

from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import TextChoices
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from apps.core.message import user_text
from apps.core.message.kinds import format_money

from . import photos
from .models import FleetUnit, Profile, RepairPhoto, Role
from .typed_values import MAX_AMOUNT

#: What Django finds wrong with an amount, by its code.
AMOUNT_ERRORS = (
    "invalid",
    "min_value",
    "max_value",
    "max_digits",
    "max_decimal_places",
    "max_whole_digits",
)


def labeled(kind: type[TextChoices]) -> list[tuple[str, Any]]:
    """Return the choices with their labels in the reader's language."""
    return [(value, gettext_lazy(label)) for value, label in kind.choices]


class UnitSelect(forms.Select):
    """Options with the unit's number, by which app.js finds them."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if unit := getattr(value, "instance", None):
            option["attrs"]["data-number"] = unit.number
        return option


class UnitField(forms.ModelChoiceField):
    """A vehicle. Technicians and the office also see the company's name."""

    widget = UnitSelect

    def __init__(self, *, profile: Profile, **kwargs: Any) -> None:
        units = FleetUnit.objects.visible_to(profile).select_related("company")
        gone = gettext_lazy("Choose the vehicle from the list.")
        super().__init__(queryset=units, error_messages={"invalid_choice": gone}, **kwargs)
        self.with_company = profile.role != Role.MANAGER

    def label_from_instance(self, obj: Any) -> str:
        unit = gettext("Unit {number}, {vehicle}").format(
            number=obj.number, vehicle=obj.description
        )
        return f"{obj.company.name}: {unit}" if self.with_company else unit


class TechnicianField(forms.ModelChoiceField):
    def __init__(self, *, apart_from: Profile | None = None, **kwargs: Any) -> None:
        people = Profile.objects.technicians().filter(user__is_active=True)
        if apart_from:
            people = people.exclude(pk=apart_from.pk)
        super().__init__(
            queryset=people,
            error_messages=dict.fromkeys(
                ["required", "invalid_choice"], gettext_lazy("Choose the technician.")
            ),
            **kwargs,
        )


class UserTextField(forms.CharField):
    """Text without invisible characters; a required one needs something visible."""

    def __init__(self, *, error_messages: dict[str, Any] | None = None, **kwargs: Any) -> None:
        too_long = gettext_lazy("Use at most %(limit_value)d characters; these are %(show_value)d.")
        super().__init__(
            error_messages={"max_length": too_long, **(error_messages or {})}, **kwargs
        )

    def to_python(self, value: Any) -> str:
        text = user_text.clean(super().to_python(value) or "").strip()
        return text if user_text.has_visible(text) else ""


class PhotoField(forms.FileField):
    """A photo of the phone. Its value is a photo that is not stored yet, or None."""

    most_bytes = photos.MOST_BYTES
    too_large = staticmethod(photos.too_large)

    def clean(self, data: Any, initial: Any = None) -> RepairPhoto | None:
        file = super().clean(data, initial)
        try:
            return photos.read(file) if file else None
        except photos.NotAPhoto as problem:
            raise forms.ValidationError(str(problem)) from problem


class AmountField(forms.DecimalField):
    """An amount in US dollars."""

    def __init__(self, **kwargs: Any) -> None:
        wrong = dict.fromkeys(
            AMOUNT_ERRORS,
            format_lazy(
                gettext_lazy("Enter an amount from {least} to {most}, as in 185.50."),
                least=format_money(Decimal(0)),
                most=format_money(MAX_AMOUNT),
            ),
        )
        super().__init__(
            min_value=0,
            max_value=MAX_AMOUNT,
            decimal_places=2,
            error_messages={"required": gettext_lazy("Give the amount, as in 185.50."), **wrong},
            **kwargs,
        )

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return super().widget_attrs(widget) | {"inputmode": "decimal", "class": "amount"}
