"""The forms of the actions on a repair."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from apps.core.message.kinds import format_money

from .fields import AmountField, PhotoField, TechnicianField, UserTextField, labeled
from .models import Moment, Profile, Repair, Status
from .services import cost_limit
from .typed_values import MAX_REASON


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
    photo = PhotoField(
        label=gettext_lazy("Photo of the damage"),
        help_text=gettext_lazy("The managers see it beside the estimate."),
        required=False,
    )


class CompleteForm(forms.Form):
    amount = AmountField(label=gettext_lazy("Final cost, US$"))
    reason = UserTextField(
        label=gettext_lazy("Why is it above the estimate?"),
        required=False,
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    photo = PhotoField(
        label=gettext_lazy("Photo of the finished work"),
        help_text=gettext_lazy("The managers see it beside the final cost."),
        required=False,
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


class PhotoForm(forms.Form):
    """A photo of a repair; once the work has begun, of its damage or of what is done."""

    moment = forms.ChoiceField(
        label=gettext_lazy("What does it show?"),
        choices=labeled(Moment),
        widget=forms.RadioSelect,
        initial=Moment.FINISHED,
    )
    photo = PhotoField(
        label=gettext_lazy("Photo"),
        error_messages={"required": gettext_lazy("Take or choose a photo.")},
    )

    def __init__(self, *args: Any, repair: Repair, **kwargs: Any) -> None:
        # A page may have another form with a photo.
        super().__init__(*args, **{**kwargs, "auto_id": "photos_%s"})
        if repair.status not in (Status.IN_PROGRESS, Status.COST_APPROVAL, Status.COMPLETED):
            del self.fields["moment"]
            self.fields["photo"].label = gettext_lazy("Photo of the damage")

    @property
    def moment_given(self) -> Moment:
        return Moment(self.cleaned_data.get("moment", Moment.DAMAGE))


class AssignForm(forms.Form):
    def __init__(self, *args: Any, current: Profile | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["technician"] = TechnicianField(
            label=gettext_lazy("Technician"),
            apart_from=current,
            empty_label=gettext_lazy("Choose the technician"),
        )
        if not self.fields["technician"].queryset.exists():  # type: ignore[attr-defined]
            self.fields["technician"].help_text = gettext("There is no other technician yet.")
