"""The brand on pages and in messages: names, colors, contact details and logo."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.conf import settings

from . import colors


class Link(NamedTuple):
    """A link in the footer of e-mails."""

    label: str
    url: str


@dataclass(frozen=True)
class Brand:
    """One brand. A text is "" if there is none; `accent` is #rrggbb, `logo_url` absolute."""

    name: str
    accent: str
    phone: str
    sender_name: str
    reply_to: str
    postal_address: str
    support_hours: str
    footer: str
    logo_url: str = ""
    #: In CSS pixels: half the size of the image.
    logo_width: int = 0
    logo_height: int = 0
    links: tuple[Link, ...] = ()

    @cached_property
    def on_accent(self) -> str:
        """Return the color of text on the accent: black or white."""
        return colors.as_hex(colors.text_on(colors.parse(self.accent)))

    @cached_property
    def accent_on_light(self) -> str:
        """Return the accent as it is readable on light pages and e-mails."""
        accent = colors.parse(self.accent)
        return colors.as_hex(colors.readable_on(colors.LIGHT_GROUND, accent, toward=colors.BLACK))

    @cached_property
    def accent_on_dark(self) -> str:
        """Return the accent as it is readable on dark pages and e-mails."""
        accent = colors.parse(self.accent)
        return colors.as_hex(colors.readable_on(colors.DARK_GROUND, accent, toward=colors.WHITE))

    @cached_property
    def version(self) -> str:
        """Return 16 hex digits that change with anything above: a key for caches."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:16]

    @property
    def tel(self) -> str:
        """Return the number for a `tel:` link (RFC 3966)."""
        return re.sub(r"[^+0-9]", "", self.phone)


def current(groups: Collection[str] = ()) -> Brand:
    """Return the present brand of people in these groups."""
    return _of_environment()


def at(moment: datetime, groups: Collection[str] = ()) -> Brand:
    """Return the brand that was in effect then."""
    return _of_environment()


def forget() -> None:
    """Read the brand again at the next call in this process."""


def _of_environment() -> Brand:
    return Brand(
        name=settings.BRAND_NAME,
        accent=colors.as_hex(colors.parse(settings.BRAND_ACCENT)),
        phone=settings.OFFICE_PHONE,
        sender_name=settings.DEFAULT_FROM_NAME,
        reply_to=settings.EMAIL_REPLY_TO,
        postal_address=settings.POSTAL_ADDRESS,
        support_hours=settings.SUPPORT_HOURS,
        footer=settings.BRAND_FOOTER,
    )
