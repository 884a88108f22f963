"""The forms of the repair pages."""

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.db.models import CharField, TextChoices
from django.utils.functional import cached_property
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from apps.core.message import user_text
from apps.core.message.kinds import format_money

from .models import Company, Damage, FleetUnit, Position, Profile, Role, Status
from .models.repair import RepairQuerySet
from .search import search
from .services import MAX_AMOUNT, MAX_REASON, Break, cost_limit

MOST_BREAKS = 10
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
        return f"{obj.company.name}: {obj}" if self.with_company else str(obj)


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


def _unit_field(name: str) -> "UserTextField":
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


class DenyForm(forms.Form):
    reason = UserTextField(
        label=gettext_lazy("Why not?"),
        help_text=gettext_lazy("The technician reads this."),
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": gettext_lazy("Give the reason: the technician reads it.")},
    )


class EstimateForm(forms.Form):
    amount = AmountField(label=gettext_lazy("Estimate, US$"))


class CompleteForm(forms.Form):
    amount = AmountField(label=gettext_lazy("Final cost, US$"))
    reason = UserTextField(
        label=gettext_lazy("Why is it above the estimate?"),
        required=False,
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, estimate: Decimal | None, **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": {"amount": estimate}, **kwargs})
        self.estimate = estimate
        if estimate is not None:
            self.fields["reason"].help_text = gettext(
                "Only if it costs more than {estimate}. The managers read it; above {limit} they "
                "decide first."
            ).format(estimate=format_money(estimate), limit=format_money(cost_limit(estimate)))

    def clean(self) -> None:
        amount = self.cleaned_data.get("amount")
        is_above = amount is not None and self.estimate is not None and amount > self.estimate
        if is_above and not self.cleaned_data.get("reason") and "reason" not in self.errors:
            self.add_error("reason", gettext_lazy("Give the reason: the managers read it."))


class AssignForm(forms.Form):
    def __init__(self, *args: Any, current: Profile | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["technician"] = TechnicianField(
            label=gettext_lazy("Technician"),
            apart_from=current,
            empty_label=gettext_lazy("Choose the technician"),
        )


class FilterForm(forms.Form):
    """The filters of a list of repairs. Values that are not valid are ignored."""

    q = UserTextField(
        label=gettext_lazy("Unit, plate, person or damage"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    status = forms.ChoiceField(
        label=gettext_lazy("Status"),
        choices=[("", gettext_lazy("Every status")), *labeled(Status)],
        required=False,
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


class ApprovalFilterForm(FilterForm):
    """The search in what waits for a manager's approval, which needs no state."""

    status = None  # type: ignore[assignment]


class SpendForm(forms.Form):
    """The months of the spend page. A value that is not valid is ignored."""

    SPANS = (6, 12, 24)

    months_back = forms.TypedChoiceField(
        label=gettext_lazy("Period"),
        choices=[
            (span, format_lazy(gettext_lazy("The last {span} months"), span=span)) for span in SPANS
        ],
        coerce=int,
        required=False,
        empty_value=None,
    )

    @property
    def months(self) -> int:
        chosen = self.cleaned_data["months_back"] if self.is_valid() else None
        return chosen or self.SPANS[0]


class OfficeFilterForm(FilterForm):
    UNASSIGNED = "nobody"

    company = forms.ModelChoiceField(
        label=gettext_lazy("Company"),
        queryset=Company.objects.all(),
        required=False,
        empty_label=gettext_lazy("Every company"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["technician"] = forms.ChoiceField(
            label=gettext_lazy("Technician"),
            choices=[
                ("", gettext_lazy("Every technician")),
                (self.UNASSIGNED, gettext_lazy("No technician yet")),
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
