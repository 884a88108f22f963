"""The brand on pages and in messages: names, colors, contact details and logo."""

import hashlib
import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from email.utils import parseaddr
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from apps.core.models import BrandVersion
from apps.core.models.brand import BLANKABLE, NONE

from . import colors, people
from .links import absolute


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
    def logo_path(self) -> str:
        """Return the logo's address for pages, which may load files of their own site only."""
        return urlsplit(self.logo_url).path

    @property
    def tel(self) -> str:
        """Return the number for a `tel:` link (RFC 3966)."""
        return re.sub(r"[^+0-9]", "", self.phone)


#: The fields of a version that have the same name here; an empty one is inherited.
FIELDS = (
    "name",
    "accent",
    "phone",
    "sender_name",
    "reply_to",
    "postal_address",
    "support_hours",
    "footer",
)
#: Seconds after which this process sees what another one saved.
FRESH_S = 5.0


@dataclass
class Snapshot:
    """The versions in effect by group, read at one moment, and what was made of them since."""

    versions: Mapping[str, BrandVersion]
    read_at: float
    brands: dict[tuple[Brand, str], Brand] = field(default_factory=dict)
    #: The groups of the people that were asked for.
    groups: dict[Any, tuple[str, ...]] = field(default_factory=dict)

    @property
    def has_companies(self) -> bool:
        return any(self.versions)

    def of(self, groups: Collection[str]) -> Brand:
        """Return the brand of people in these groups; of several companies' the first by key."""
        group = min((each for each in groups if each in self.versions), default="")
        base = of_environment()
        if (base, group) not in self.brands:
            house = on_top(base, self.versions.get(""))
            self.brands[base, group] = on_top(house, self.versions.get(group)) if group else house
        return self.brands[base, group]


_snapshot: Snapshot | None = None


def current(groups: Collection[str] = ()) -> Brand:
    """Return the present brand of people in these groups, at most FRESH_S seconds old.

    What a company's version leaves empty comes from the house's, and then from the environment.
    """
    return _present().of(groups)


def of(ids: Iterable[Any]) -> dict[Any, Brand]:
    """Return these people's brands. No statement, or one for each resolver if a company has one."""
    present, wanted = _present(), list(ids)
    if not present.has_companies:
        return dict.fromkeys(wanted, present.of(()))
    if unknown := [pk for pk in wanted if pk not in present.groups]:
        found = people.groups(unknown)
        present.groups.update((pk, found.get(pk, ())) for pk in unknown)
    return {pk: present.of(present.groups[pk]) for pk in wanted}


def at(moment: datetime, groups: Collection[str] = ()) -> Brand:
    """Return the brand that was in effect then. The environment's part is today's."""
    return Snapshot(_versions(moment), 0).of(groups)


def forget() -> None:
    """Read the brand again at the next call in this process."""
    global _snapshot
    _snapshot = None


def of_environment() -> Brand:
    """Return the brand of the environment variables alone."""
    return _of_environment(
        name=settings.BRAND_NAME,
        accent=settings.BRAND_ACCENT,
        phone=settings.OFFICE_PHONE,
        sender=settings.DEFAULT_FROM_EMAIL,
        sender_name=settings.DEFAULT_FROM_NAME,
        reply_to=settings.EMAIL_REPLY_TO,
        postal_address=settings.POSTAL_ADDRESS,
        support_hours=settings.SUPPORT_HOURS,
        footer=settings.BRAND_FOOTER,
    )


def inherited(group: str) -> Brand:
    """Return what this group inherits from: the house's brand, or the environment's."""
    return current() if group else of_environment()


def on_top(base: Brand, version: BrandVersion | None) -> Brand:
    """Return the brand with what the version has."""
    if version is None:
        return base
    given = {name: getattr(version, name) for name in FIELDS if getattr(version, name)}
    if version.accent:
        given["accent"] = colors.as_hex(colors.parse(version.accent))
    if version.links and version.links != NONE:
        given["links"] = tuple(Link(*pair) for pair in version.links)
    given |= {name: type(getattr(base, name))() for name in _without(version)}
    if logo := version.logo:
        given |= {
            "logo_url": absolute(reverse("brand-logo", args=[logo.sha256])),
            "logo_width": round(logo.width / 2),
            "logo_height": round(logo.height / 2),
        }
    return replace(base, **given)


def _without(version: BrandVersion) -> list[str]:
    """Return the fields of which this version has none, whatever it could inherit."""
    return [name for name in BLANKABLE if getattr(version, name) == NONE]


@lru_cache(maxsize=4)
def _of_environment(*, accent: str, sender: str, sender_name: str, **values: Any) -> Brand:
    return Brand(
        accent=colors.as_hex(colors.parse(accent)),
        # A name in DEFAULT_FROM_EMAIL, which is Django's usual form, wins.
        sender_name=parseaddr(sender)[0] or sender_name,
        **values,
    )


def _present() -> Snapshot:
    global _snapshot
    found, now = _snapshot, time.monotonic()
    if found is None or now - found.read_at > FRESH_S:
        found = _snapshot = Snapshot(_versions(), now)
    return found


def _versions(moment: datetime | None = None) -> dict[str, BrandVersion]:
    rows = BrandVersion.objects.in_effect(moment).select_related("logo").defer("logo__data")
    return {row.group: row for row in rows}
