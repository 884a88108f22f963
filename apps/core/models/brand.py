"""The versions of the brand: what the office changed, by whom, when and why."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.db.models.functions import Now

from .brand_logo import BrandLogo

#: What BLANKABLE fields have if there is to be none; empty ones are inherited.
NONE = "-"
BLANKABLE = ("support_hours", "footer", "links")
#: Links in the footer of an e-mail, and the characters of a label.
MOST_LINKS = 4
LONGEST_LABEL = 40
LONGEST_URL = 200


def validate_accent(text: str) -> None:
    if not re.fullmatch(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})", text):
        raise ValidationError("Write a color as in #0b5cad.")


def validate_office_phone(text: str) -> None:
    """Raise ValidationError unless people can call the number from anywhere."""
    try:
        is_number = phonenumbers.is_possible_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        is_number = False
    if not is_number or not re.fullmatch(r"\+[0-9 ().-]+", text):
        raise ValidationError("Write it with its country code, as in +1 312 555 0148.")


def validate_reply_to(text: str) -> None:
    """Raise ValidationError unless the address can stand in a header as it is."""
    try:
        validate_email(text)
    except ValidationError:
        text = ""
    if not text or not text.isascii():
        raise ValidationError("Write one address as in office@example.com.")


def validate_links(links: Any) -> None:
    """Raise ValidationError unless these are pairs of a label and an https address, or NONE."""
    if links == NONE:
        return
    if len(links) > MOST_LINKS:
        raise ValidationError(f"Write at most {MOST_LINKS} links.")
    for label, url in links:
        if not 0 < len(label) <= LONGEST_LABEL:
            raise ValidationError(f"Give each link a label of up to {LONGEST_LABEL} characters.")
        if len(url) > LONGEST_URL or not _is_https(url):
            raise ValidationError(
                f"{url[:60]!r} is no address for a link. Write it as in "
                f"https://www.example.com/help, with up to {LONGEST_URL} characters."
            )


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # The address is shown in plain-text e-mails too, so nothing in it may need escaping.
    is_plain = re.fullmatch(r"[!#-;=?-~]+", url) and parts.username is None
    return parts.scheme == "https" and has_host and bool(is_plain)


class BrandVersionQuerySet(models.QuerySet["BrandVersion"]):
    def in_effect(self, moment: datetime | None = None) -> "BrandVersionQuerySet":
        """Return the version of each group that is in effect, now or at another moment."""
        then = self if moment is None else self.filter(published_at__lte=moment)
        newest = BrandVersion.objects.filter(group=models.OuterRef("group"))
        if moment is not None:
            newest = newest.filter(published_at__lte=moment)
        return then.filter(number=models.Subquery(newest.order_by("-number").values("number")[:1]))


class BrandVersion(models.Model):
    """One version of a group's brand. Versions are only added; an empty field is inherited.

    The engine knows no companies: `group` is a key that `people.register_groups` explains. It is
    empty for the house, from which companies inherit; the house inherits from the environment.
    """

    group = models.CharField(max_length=64, blank=True, default="")
    #: From 1 in each group.
    number = models.PositiveIntegerField()
    # In every text message, which should be one part.
    name = models.CharField(max_length=40, blank=True)
    accent = models.CharField(
        "accent color", max_length=7, blank=True, validators=[validate_accent]
    )
    phone = models.CharField(
        "office phone", max_length=25, blank=True, validators=[validate_office_phone]
    )
    sender_name = models.CharField(max_length=60, blank=True)
    reply_to = models.CharField(
        "reply address", max_length=254, blank=True, validators=[validate_reply_to]
    )
    postal_address = models.CharField(max_length=200, blank=True)
    support_hours = models.CharField(max_length=120, blank=True)
    footer = models.CharField(max_length=300, blank=True)
    #: Pairs of a label and an address, as `validate_links` describes them, or NONE.
    links = models.JSONField(default=list, blank=True, validators=[validate_links])
    logo = models.ForeignKey(
        BrandLogo, null=True, blank=True, on_delete=models.PROTECT, related_name="versions"
    )
    why = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    published_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = BrandVersionQuerySet.as_manager()

    class Meta:
        ordering = ["group", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["group", "number"], name="one_brand_version"),
        ]

    def __str__(self) -> str:
        return f"brand of {self.group or 'the house'}, version {self.number}"
