"""The forms of a person's own contact details."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from apps.core.models import Contact


class EmailForm(forms.ModelForm):
    class Meta:
        model = Contact
        fields = ["email"]
        labels = {"email": gettext_lazy("E-mail address")}
        error_messages = {
            "email": {
                "required": gettext_lazy("Enter an e-mail address."),
                "invalid": gettext_lazy("This is not an e-mail address; check its spelling."),
            }
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        self.fields["email"].widget.attrs["autocomplete"] = "email"


class PhoneForm(forms.ModelForm):
    class Meta:
        model = Contact
        fields = ["phone"]
        labels = {"phone": gettext_lazy("Mobile number")}
        help_texts = {
            "phone": gettext_lazy("As you would write it, as in (202) 555-0123. Empty: none.")
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["phone"].widget.attrs["autocomplete"] = "tel"


class CodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("The six digits that we sent"),
        max_length=20,
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "class": "code"}
        ),
        error_messages={"required": gettext_lazy("Enter the six digits of the text message.")},
    )
    #: Consent must be given by an act of its own, so the box is never ticked beforehand.
    agree = forms.BooleanField(required=False)
