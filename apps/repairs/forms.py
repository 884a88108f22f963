"""The forms of the repair pages."""

from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Q

from apps.core.message import user_text
from apps.core.message.kinds import format_money

from .models import Company, Damage, FleetUnit, Position, Profile, Role, Status
from .models.numbering import primary_key
from .models.repair import RepairQuerySet
from .services import MAX_AMOUNT, MAX_REASON, Break, cost_limit

MOST_BREAKS = 10


class UnitField(forms.ModelChoiceField):
    """A vehicle. Technicians and the office also see the company's name."""

    def __init__(self, *, profile: Profile, **kwargs: Any) -> None:
        units = FleetUnit.objects.visible_to(profile).select_related("company")
        super().__init__(
            queryset=units, error_messages={"required": "Choose the vehicle."}, **kwargs
        )
        self.with_company = profile.role != Role.MANAGER

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.company.name}: {obj}" if self.with_company else str(obj)


class TechnicianField(forms.ModelChoiceField):
    def __init__(self, *, apart_from: Profile | None = None, **kwargs: Any) -> None:
        people = Profile.objects.technicians().filter(user__is_active=True)
        if apart_from:
            people = people.exclude(pk=apart_from.pk)
        super().__init__(
            queryset=people, error_messages={"required": "Choose the technician."}, **kwargs
        )


class UserTextField(forms.CharField):
    """Text without invisible characters; a required one needs something visible."""

    def to_python(self, value: Any) -> str:
        text = user_text.clean(super().to_python(value) or "").strip()
        return text if user_text.has_visible(text) else ""


class AmountField(forms.DecimalField):
    """An amount in US dollars."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_value=0,
            max_value=MAX_AMOUNT,
            decimal_places=2,
            error_messages={"required": "Give the amount, as in 185.50."},
            **kwargs,
        )

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return super().widget_attrs(widget) | {"inputmode": "decimal", "class": "amount"}


class RequestForm(forms.Form):
    """The vehicle of a request; the office also chooses the technician."""

    #: Makes a form that is sent twice one request.
    token = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, profile: Profile, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unit = UnitField(profile=profile, label="Vehicle", empty_label="Choose the vehicle")
        self.fields["unit"] = unit
        self._vehicles = FleetUnit.objects.visible_to(profile)
        if profile.role == Role.OFFICE:
            self.fields["technician"] = TechnicianField(required=False, empty_label="Decide later")

    @property
    def has_vehicles(self) -> bool:
        return self._vehicles.exists()


class BreakForm(forms.Form):
    """One break of a request."""

    position = forms.ChoiceField(
        label="Where is it?",
        choices=Position.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose the place."},
    )
    damage = forms.ChoiceField(
        label="What does it look like?",
        choices=Damage.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what comes nearest."},
    )
    description = UserTextField(
        label="Anything to know beforehand",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    estimate = AmountField(
        label="Estimate, US$",
        help_text="With an estimate it goes to the managers at once.",
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


class DenyForm(forms.Form):
    reason = UserTextField(
        label="Why not?",
        help_text="The technician reads this.",
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": "Give the reason: the technician reads it."},
    )


class EstimateForm(forms.Form):
    amount = AmountField(label="Estimate, US$")


class CompleteForm(forms.Form):
    amount = AmountField(label="Final cost, US$")
    reason = UserTextField(
        label="Why is it above the estimate?",
        required=False,
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, estimate: Decimal | None, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": {"amount": estimate}, **kwargs})
        self.estimate = estimate
        if estimate is not None:
            self.fields["reason"].help_text = (
                f"Only if it costs more than {format_money(estimate)}. The managers read it; above "
                f"{format_money(cost_limit(estimate))} they decide first."
            )

    def clean(self) -> None:
        amount = self.cleaned_data.get("amount")
        is_above = amount is not None and self.estimate is not None and amount > self.estimate
        if is_above and not self.cleaned_data.get("reason") and "reason" not in self.errors:
            self.add_error("reason", "Give the reason: the managers read it.")


class AssignForm(forms.Form):
    def __init__(self, *args: Any, current: Profile | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["technician"] = TechnicianField(
            apart_from=current, empty_label="Choose the technician"
        )


class FilterForm(forms.Form):
    """The filters of a list of repairs. Values that are not valid are ignored."""

    q = UserTextField(
        label="Unit, plate or number",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    status = forms.ChoiceField(
        label="State", choices=[("", "Every state"), *Status.choices], required=False
    )

    @property
    def is_active(self) -> bool:
        return any(self._given().values())

    def narrow(self, repairs: RepairQuerySet) -> RepairQuerySet:
        given = self._given()
        if words := given.get("q"):
            repairs = search(repairs, words)
        if status := given.get("status"):
            repairs = repairs.filter(status=status)
        return repairs

    def _given(self) -> dict[str, Any]:
        self.is_valid()
        return self.cleaned_data


class OfficeFilterForm(FilterForm):
    UNASSIGNED = "nobody"

    company = forms.ModelChoiceField(
        queryset=Company.objects.all(), required=False, empty_label="Every company"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["technician"] = forms.ChoiceField(
            choices=[
                ("", "Every technician"),
                (self.UNASSIGNED, "No technician yet"),
                *((each.pk, each.name) for each in Profile.objects.technicians()),
            ],
            required=False,
        )

    def narrow(self, repairs: RepairQuerySet) -> RepairQuerySet:
        repairs = super().narrow(repairs)
        given = self._given()
        if company := given.get("company"):
            repairs = repairs.filter(unit__company=company)
        if technician := given.get("technician"):
            chosen = None if technician == self.UNASSIGNED else technician
            repairs = repairs.filter(technician=chosen)
        return repairs


def search(repairs: RepairQuerySet, words: str) -> RepairQuerySet:
    """Return the repairs that match a unit's number or plate, R-1042 or B-1007."""
    unit = Q(unit__number__icontains=words) | Q(unit__plate__icontains=words)
    key = primary_key(words)
    if key is None:
        return repairs.filter(unit)
    named = Q(batch=key) if words[:1] in "Bb" else Q(pk=key)
    return repairs.filter(unit | named)
