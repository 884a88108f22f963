"""The filters of the lists of repairs and of the spend page."""

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from .fields import UserTextField, labeled
from .models import Company, Profile, Status
from .models.repair import RepairQuerySet
from .search import search


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
