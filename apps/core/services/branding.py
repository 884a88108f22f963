"""Publish a version of the brand, or an earlier one again."""

from typing import Any

from django.db import IntegrityError, transaction

from apps.core.message import brand
from apps.core.models import BrandLogo, BrandVersion

from . import logos

#: What a version says, besides who made it, when and why.
CONTENT = (*brand.FIELDS, "links")


class Outdated(Exception):
    """Another version was published since the user opened the page."""


def publish(version: BrandVersion, *, by: Any, after: int, logo: BrandLogo | None) -> BrandVersion:
    """Publish a new version after that number, 0 if it is the group's first; raise Outdated.

    `logo` need not be stored. The caller has validated the fields.
    """
    version.number, version.by = after + 1, by
    try:
        with transaction.atomic():
            if _newest(version.group) != after:
                raise Outdated
            version.logo = logos.store(logo) if logo else None
            # Of two that come at the same time, one breaks the rule that a number exists once.
            version.save(force_insert=True)
    except IntegrityError as error:
        raise Outdated from error
    transaction.on_commit(brand.forget)
    return version


def publish_again(earlier: BrandVersion, *, by: Any) -> BrandVersion:
    """Publish a new version that says what an earlier one says; raise Outdated."""
    content = {name: getattr(earlier, name) for name in CONTENT}
    version = BrandVersion(group=earlier.group, why=f"Version {earlier.number} again", **content)
    return publish(version, by=by, after=_newest(earlier.group), logo=earlier.logo)


def _newest(group: str) -> int:
    numbers = BrandVersion.objects.filter(group=group).order_by("-number")
    return numbers.values_list("number", flat=True).first() or 0


def changed(version: BrandVersion, before: BrandVersion | None) -> list[str]:
    """Return what people call the fields in which a version differs from the one before it."""
    before = before or BrandVersion()
    labels: dict[str, str] = {name: _label(name) for name in CONTENT} | {"logo_id": "logo"}
    return [
        label for name, label in labels.items() if getattr(version, name) != getattr(before, name)
    ]


def _label(name: str) -> str:
    field: Any = BrandVersion._meta.get_field(name)
    return str(field.verbose_name)
