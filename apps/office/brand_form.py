"""The form of the brand, and what it says about the accent."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.core.message import brand, colors, segments, user_text
from apps.core.models import BrandLogo, BrandVersion
from apps.core.models.brand import BLANKABLE, MOST_LINKS, NONE, validate_links
from apps.core.services import branding, logos

HELP = {
    "name": "On every page and in every message.",
    "accent": "Of buttons and links, as in #0b5cad.",
    "phone": "With its country code, as people read it: +1 312 555 0148.",
    "sender_name": "Whom an e-mail is from, before the address.",
    "reply_to": "Where answers to an e-mail go.",
    "postal_address": "On one line, at the foot of every e-mail.",
    "support_hours": "As in: Monday to Friday, 8 AM to 6 PM Central.",
    "footer": "One more sentence at the foot of every e-mail.",
}
#: Pages have the house's name.
NAME_OF_COMPANY = "In every e-mail and text message to its people."


class LineField(forms.CharField):
    """One line of text, without invisible characters."""

    def to_python(self, value: Any) -> str:
        return user_text.clean_line(super().to_python(value) or "")


class BrandForm(forms.ModelForm):
    """A new version of a group's brand, which begins as a copy of the one in effect.

    After validation `instance` is that version, with what is valid of what was typed.
    """

    links_text = forms.CharField(
        label="Links in the footer",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    logo_file = forms.FileField(
        label="Logo",
        required=False,
        widget=forms.FileInput(
            attrs={
                "accept": "image/png,image/jpeg,image/gif,image/webp",
                "data-most-bytes": logos.MOST_BYTES,
                "data-too-large": "logo-too-large",
            }
        ),
        help_text=(
            f"PNG, JPEG, GIF or WebP, up to {logos.MOST_BYTES // 1024} KB, for light grounds. "
            f"It is made to fit {logos.LARGEST[0]} x {logos.LARGEST[1]} pixels."
        ),
    )
    remove_logo = forms.BooleanField(label="Remove the logo", required=False)
    #: The version that the user has seen.
    after = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    class Meta:
        model = BrandVersion
        fields = [*brand.FIELDS, "why"]
        field_classes = dict.fromkeys([*brand.FIELDS, "why"], LineField)

    def __init__(self, data: Any = None, files: Any = None, *, group: str) -> None:
        self.group = group
        self.inherited = brand.inherited(group)
        self.newest = BrandVersion.objects.in_effect().filter(group=group).first()
        super().__init__(data, files, instance=_copy(group, self.newest))
        self.initial["links_text"] = _as_text(self.instance.links)
        self.initial["after"] = self.newest.number if self.newest else 0
        help_texts = {**HELP, "name": NAME_OF_COMPANY} if group else HELP
        for name in brand.FIELDS:
            self.fields[name].help_text = help_texts[name] + self._if_empty(name)
        self.fields["links_text"].help_text = (
            f"Up to {MOST_LINKS}, one in a line, as in Help: https://www.example.com/help."
            + self._if_empty("links")
        )
        self.fields["why"].label = "Why do you change it?"
        self.fields["why"].help_text = "For the history below; it may be empty."

    def _if_empty(self, name: str) -> str:
        """Return what the field inherits, and how to have none of it."""
        value = getattr(self.inherited, name)
        if not value:
            return ""
        shown = ", ".join(link.label for link in value) if name == "links" else value
        none = f" For none, write {NONE}" if name in BLANKABLE else ""
        return f" Empty: {shown.removesuffix('.')}.{none}"

    @property
    def draft(self) -> brand.Brand:
        """Return the brand as it would be."""
        return brand.on_top(self.inherited, self.instance)

    @property
    def name_notes(self) -> list[str]:
        return name_notes(self.draft)

    @property
    def accent_notes(self) -> list[str]:
        return accent_notes(self.draft)

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name and not user_text.has_visible(name):
            raise ValidationError("Write a name that people can see.")
        return name

    def clean_sender_name(self) -> str:
        name = str(self.cleaned_data["sender_name"])
        if "@" in name:
            raise ValidationError("Write a name without an address: mail programs distrust it.")
        return name

    def clean_links_text(self) -> str:
        text = user_text.clean(self.cleaned_data["links_text"])
        if text.strip() == NONE:
            self.instance.links = NONE
            return NONE
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        pairs = (line.rpartition(" ") for line in lines)
        links = [[label.strip(" :"), url] for label, _, url in pairs]
        validate_links(links)
        self.instance.links = links
        return text

    def clean_logo_file(self) -> BrandLogo | None:
        file = self.cleaned_data["logo_file"]
        if not file:
            return None
        try:
            return logos.read(file)
        except logos.NotALogo as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if logo := values.get("logo_file"):
            self.instance.logo = logo
        elif values.get("remove_logo"):
            self.instance.logo = None
        return values

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        # The preview and the notes show the draft, and can show nothing that is wrong.
        for name in self.errors.keys() & set(brand.FIELDS):
            setattr(self.instance, name, self.initial.get(name, ""))

    def publish(self, by: Any) -> BrandVersion:
        """Publish the version; raise Outdated."""
        return branding.publish(
            self.instance, by=by, after=self.cleaned_data["after"], logo=self.instance.logo
        )


def _as_text(links: Any) -> str:
    return NONE if links == NONE else "\n".join(f"{label}: {url}" for label, url in links)


def name_notes(shown: brand.Brand) -> list[str]:
    """Return what a name with other characters than those of text messages costs."""
    if segments.is_gsm(segments.to_gsm(shown.name)):
        return []
    return [
        f"“{shown.name}” has characters that are not in the alphabet of text messages: a part of "
        "each would have 70 characters instead of 160, so most would cost twice or three times as "
        "much."
    ]


def accent_notes(shown: brand.Brand) -> list[str]:
    """Return what pages and e-mails use instead of an accent that is hard to read there."""
    notes = []
    for ground, used in (("light", shown.accent_on_light), ("dark", shown.accent_on_dark)):
        if used != shown.accent:
            notes.append(
                f"{shown.accent} is hard to read on {ground} grounds. Pages and the links of "
                f"e-mails use {used} there."
            )
    text = "black" if shown.on_accent == colors.as_hex(colors.BLACK) else "white"
    return [*notes, f"The text on buttons of e-mails is {text}."]


def _copy(group: str, version: BrandVersion | None) -> BrandVersion:
    if version is None:
        return BrandVersion(group=group)
    content = {name: getattr(version, name) for name in branding.CONTENT}
    return BrandVersion(group=group, logo=version.logo, **content)
