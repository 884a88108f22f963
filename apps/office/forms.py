"""The forms of the office's pages."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import Q

from apps.core.models import Contact


class SearchForm(forms.Form):
    q = forms.CharField(
        label="Name, address or number",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"type": "search"}),
    )

    def narrow(self, users: Any) -> Any:
        words = self.cleaned_data.get("q", "") if self.is_valid() else ""
        for word in words.split():
            users = users.filter(
                Q(username__icontains=word)
                | Q(first_name__icontains=word)
                | Q(last_name__icontains=word)
                | Q(contact__email__icontains=word)
                | Q(contact__phone__contains=word)
            )
        return users


class UserForm(forms.ModelForm):
    """The sign-in of a new colleague, who chooses the password by "Forgot your password?"."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "username"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["first_name"].required = True
        self.fields["username"].help_text = "To sign in with, as in jane.ortiz."

    def clean_username(self) -> str:
        name = str(self.cleaned_data["username"])
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError("Somebody else has this user name.")
        return name


class ContactForm(forms.ModelForm):
    class Meta:
        model = Contact
        fields = ["email", "phone", "time_zone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        self.fields["phone"].help_text = "With the country code, as in +12025550123; empty if none."
        self.fields["time_zone"].help_text = "By its IANA name, as in America/Chicago."
