"""The forms of the office's pages."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User

from apps.core.message import user_text
from apps.core.models import Contact
from apps.core.services.contacts import FIELDS
from apps.core.states import Channel, Priority
from apps.site import directory

from . import search
from .models import Announcement


class SearchForm(forms.Form):
    q = forms.CharField(
        label="Name, address or number",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"type": "search"}),
    )

    def narrow(self, users: Any) -> Any:
        return search.narrow(users, self.cleaned_data.get("q", "") if self.is_valid() else "")


class UserForm(forms.ModelForm):
    """The sign-in of a new colleague, who chooses the password by "Forgotten your password?"."""

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
        self.fields["phone"].help_text = "As you would write it; empty if none."
        self.fields["time_zone"].help_text = "By its IANA name, as in America/Chicago."


class AddressForm(forms.ModelForm):
    """One address of a person: the e-mail address, or the mobile number."""

    class Meta:
        model = Contact
        fields = ["email", "phone"]

    def __init__(
        self, channel: Channel, given: Mapping[str, Any] | None = None, *, instance: Contact
    ) -> None:
        super().__init__(given, instance=instance)
        self.channel = channel
        self.name = FIELDS[channel]
        for other in set(FIELDS.values()) - {self.name}:
            del self.fields[other]
        self.fields[self.name].required = True

    @property
    def field(self) -> forms.BoundField:
        return self[self.name]


class AnnouncementForm(forms.ModelForm):
    """The words of an announcement, who gets it, and how."""

    audience = forms.ChoiceField(label="To whom?", required=False)
    priority = forms.TypedChoiceField(
        label="How?",
        coerce=int,
        choices=[
            (Priority.LOW, "In the app only"),
            (Priority.MEDIUM, "By e-mail"),
            (Priority.HIGH, "By text message"),
            (Priority.URGENT, "By e-mail and text message, at any hour"),
        ],
        widget=forms.RadioSelect,
        initial=Priority.MEDIUM,
        help_text="Everyone's own choices and quiet hours hold; the last one comes at any hour.",
    )

    class Meta:
        model = Announcement
        fields = ["title", "text", "audience", "priority"]
        widgets = {"text": forms.Textarea(attrs={"rows": 4})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups = [(each.key, each.label) for each in directory.get().groups()]
        self.fields["audience"].choices = [("", "Everyone"), *groups]  # type: ignore[attr-defined]
        self.fields["title"].help_text = "One line, as in: We are closed on Thursday."
        self.fields["text"].help_text = "One paragraph. A text message should be short."

    def clean_title(self) -> str:
        return self._line("title")

    def clean_text(self) -> str:
        return self._line("text")

    def _line(self, name: str) -> str:
        line = user_text.clean_line(self.cleaned_data[name])
        if not user_text.has_visible(line):
            raise forms.ValidationError("Write something that people can see.")
        return line
