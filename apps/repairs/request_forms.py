"""The forms of a request: the vehicle, and each break."""

from typing import Any, cast

from django import forms
from django.db.models import CharField
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy

from .fields import AmountField, PhotoField, TechnicianField, UnitField, UserTextField, labeled
from .models import Company, Damage, FleetUnit, Position, Profile, Role
from .requesting import Break

MOST_BREAKS = 10


class RequestForm(forms.Form):
    """The vehicle of a request, one of the list or a new one; the office chooses the technician."""

    #: Makes a form that is sent twice one request.
    token = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, profile: Profile, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._profile = profile
        self.fields["unit"] = UnitField(
            profile=profile,
            label=gettext_lazy("Vehicle"),
            empty_label=gettext_lazy("Choose the vehicle"),
            required=False,
        )
        if profile.role == Role.OFFICE:
            self.fields["technician"] = TechnicianField(
                label=gettext_lazy("Technician"),
                required=False,
                empty_label=gettext_lazy("Decide later"),
            )
        if profile.role != Role.MANAGER:
            self.fields["photo"] = PhotoField(
                label=gettext_lazy("Photo of the damage"),
                help_text=gettext_lazy(
                    "The managers see it beside the price. You can add more afterwards."
                ),
                required=False,
            )
            self.fields["new_company"] = forms.ModelChoiceField(
                Company.objects.all(),
                label=gettext_lazy("Company"),
                empty_label=gettext_lazy("Choose the company"),
                required=False,
            )
        for name in ("number", "description", "plate"):
            self.fields[f"new_{name}"] = _unit_field(name)

    @property
    def has_vehicles(self) -> bool:
        return bool(self._vehicles)

    @property
    def has_companies(self) -> bool:
        return self._profile.role == Role.MANAGER or Company.objects.exists()

    @property
    def has_letters(self) -> bool:
        """Return whether a phone needs letters to type the number of a unit."""
        return not all(number.isdecimal() for number in self._vehicles)

    @property
    def known(self) -> list[forms.BoundField]:
        """Return the fields of a vehicle that is in the list."""
        return [self[name] for name in ("unit", "technician") if name in self.fields]

    @property
    def new(self) -> list[forms.BoundField]:
        """Return the fields of a vehicle that is not in the list yet."""
        return [field for field in self.visible_fields() if field.name.startswith("new_")]

    @property
    def shows_new(self) -> bool:
        return not self.has_vehicles or any(field.value() or field.errors for field in self.new)

    def clean(self) -> None:
        given = self.cleaned_data
        if given.get("unit") or "unit" in self.errors:
            return
        if self.has_vehicles and not any(given.get(field.name) for field in self.new):
            self.add_error("unit", gettext_lazy("Choose the vehicle."))
            return
        for field in self.new:
            if not given.get(field.name) and field.name not in self.errors:
                self.add_error(field.name, gettext_lazy("A new vehicle needs this."))

    @cached_property
    def _vehicles(self) -> list[str]:
        units = FleetUnit.objects.visible_to(self._profile).order_by()
        return list(units.values_list("number", flat=True))


def _unit_field(name: str) -> UserTextField:
    """Return the field of a new vehicle, as long as its column."""
    labels = {
        "number": (gettext_lazy("Unit number"), gettext_lazy("The number painted on it")),
        "description": (
            gettext_lazy("Year, make and model"),
            gettext_lazy("As in 2021 Freightliner Cascadia"),
        ),
        "plate": (gettext_lazy("License plate"), ""),
    }
    label, hint = labels[name]
    column = cast("CharField[str, str]", FleetUnit._meta.get_field(name))
    return UserTextField(label=label, help_text=hint, max_length=column.max_length, required=False)


class BreakForm(forms.Form):
    """One break of a request."""

    position = forms.ChoiceField(
        label=gettext_lazy("Where is it?"),
        choices=labeled(Position),
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose the place.")},
    )
    damage = forms.ChoiceField(
        label=gettext_lazy("What does it look like?"),
        choices=labeled(Damage),
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose what comes nearest.")},
    )
    description = UserTextField(
        label=gettext_lazy("Anything to know beforehand"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    estimate = AmountField(
        label=gettext_lazy("Estimate, US$"),
        help_text=gettext_lazy("With an estimate it goes to the managers at once."),
        required=False,
    )

    def __init__(self, *args: Any, profile: Profile, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if profile.role == Role.MANAGER:
            del self.fields["estimate"]

    def as_break(self) -> Break:
        given = self.cleaned_data
        return Break(
            damage=Damage(given["damage"]),
            position=Position(given["position"]),
            description=given["description"],
            estimate=given.get("estimate"),
        )


#: The breaks of one request. Pass `profile` and `empty_permitted=False` in `form_kwargs`.
BreakFormSet = forms.formset_factory(
    BreakForm, extra=0, min_num=1, max_num=MOST_BREAKS, absolute_max=MOST_BREAKS
)
