"""Photos of repairs: read an upload, add and remove photos, and their address in e-mails."""

from typing import IO

from django.core import signing
from django.db import transaction
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext
from PIL import Image

from apps.core.message.kinds import Picture
from apps.core.services import pictures

from .exceptions import NotAllowed
from .models import Moment, Profile, Repair, RepairBatch, RepairPhoto, Status
from .permissions import Action, problem

#: Phones make photos of 3 to 8 MB. The request's limit is a little higher: web/limits.py.
MOST_BYTES = 10 * 1024 * 1024
#: Pixels of the upload. The largest that phones make by themselves.
MOST_PIXELS = 50_000_000
#: The least that the shorter side must have.
SMALLEST = 64
LARGEST = (1600, 1600)
LARGEST_SMALL = (640, 640)
#: Of one repair, for each moment.
MOST_PHOTOS = 4
FORMATS = ("JPEG", "PNG", "WEBP")
#: The marks of HEIC and AVIF at the fifth byte of a file (ISO/IEC 23008-12, 10).
_HEIF = (b"ftyphei", b"ftyphev", b"ftypmif", b"ftypmsf", b"ftypavi")
#: Signed for this alone. The address stays valid as long as the photo is stored.
_signer = signing.Signer(salt="apps.repairs.photos")


class NotAPhoto(Exception):
    """The file cannot be used; the text says why and what to do."""


def read(file: IO[bytes]) -> RepairPhoto:
    """Return the photo in both sizes, not yet stored; raise NotAPhoto."""
    picture = _flat(_made_small(_bytes(file)))
    data = pictures.encoded(picture, "JPEG", quality=82, progressive=True)
    picture.thumbnail(LARGEST_SMALL, Image.Resampling.LANCZOS)
    return RepairPhoto(
        sha256=pictures.digest(data),
        data=data,
        small=pictures.encoded(picture, "JPEG", quality=78, progressive=True),
        small_width=picture.width,
        small_height=picture.height,
    )


@transaction.atomic
def add(photo: RepairPhoto, repair: Repair, moment: Moment, *, by: Profile) -> None:
    """Store the photo; the same one again changes nothing. Raise NotAllowed."""
    _check(Action.ADD_PHOTO, repair, by)
    if repair.photos.filter(sha256=photo.sha256).exists():
        return
    if repair.photos.filter(moment=moment).count() >= MOST_PHOTOS:
        raise NotAllowed(
            gettext("{number} has {count} photos of this kind already. Remove one first.").format(
                number=repair.number, count=MOST_PHOTOS
            )
        )
    photo.repair, photo.moment, photo.uploaded_by = repair, moment, by
    photo.save()


@transaction.atomic
def remove(repair: Repair, sha256: str, *, by: Profile) -> None:
    """Delete a photo; its address in e-mails stops working. Raise NotAllowed."""
    _check(Action.REMOVE_PHOTO, repair, by)
    repair.photos.filter(sha256=sha256).delete()


def in_message(about: Repair | RepairBatch, *moments: Moment) -> Picture | None:
    """Return the newest photo of the last of these moments that has one."""
    repairs = [about] if isinstance(about, Repair) else about.repairs.exclude(status=Status.DENIED)
    photos = RepairPhoto.objects.filter(repair__in=repairs, moment__in=moments)
    photo = photos.select_related("repair").order_by("-moment", "-created_at", "-pk").first()
    if photo is None:
        return None
    return Picture(
        url=public_path(photo),
        width=photo.small_width,
        height=photo.small_height,
        shows=photo.repair.summary,
    )


def public_path(photo: RepairPhoto) -> str:
    """Return where its small rendition is for mail programs, which cannot sign in."""
    return reverse("repairs:public-photo", args=[_signer.sign(f"{photo.pk:x}-{photo.sha256[:16]}")])


def of_public(token: str) -> RepairPhoto:
    """Return the photo of such an address; raise Http404 for every other one."""
    try:
        key = _signer.unsign(token)
    except signing.BadSignature:
        raise Http404 from None
    pk, _, begins = key.partition("-")
    # A database restored from a backup gives the keys of the lost photos again.
    return get_object_or_404(RepairPhoto, pk=int(pk, 16), sha256__startswith=begins)


def _check(action: Action, repair: Repair, by: Profile) -> None:
    """Lock the repair, so that its status and its number of photos stay; raise NotAllowed."""
    present = Repair.objects.select_for_update(no_key=True).get(pk=repair.pk)
    if why := problem(action, present, by):
        raise NotAllowed(why)


def _bytes(file: IO[bytes]) -> bytes:
    try:
        data = pictures.read_bytes(file, MOST_BYTES)
    except pictures.TooLarge:
        raise NotAPhoto(too_large()) from None
    if data[4:].startswith(_HEIF):
        raise NotAPhoto(
            gettext(
                "This is a HEIC photo, which many browsers cannot show. Set the camera to “Most "
                "compatible” (JPEG), and take it again."
            )
        )
    return data


def too_large() -> str:
    return gettext(
        "The photo is larger than {most} MB. Take it again with a lower resolution."
    ).format(most=MOST_BYTES // 1024**2)


def _made_small(data: bytes) -> Image.Image:
    try:
        return pictures.made_small(data, FORMATS, LARGEST, _check_size)
    except pictures.Unreadable as error:
        raise NotAPhoto(
            gettext("The file is no photo that can be read. Use JPEG, PNG or WebP.")
        ) from error


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise NotAPhoto(
            gettext(
                "The photo has {width} x {height} pixels. Take it again with a lower resolution."
            ).format(width=width, height=height)
        )
    if min(width, height) < SMALLEST or max(width, height) > 8 * min(width, height):
        raise NotAPhoto(
            gettext(
                "The picture has {width} x {height} pixels, too few to see a break. Take another."
            ).format(width=width, height=height)
        )


def _flat(picture: Image.Image) -> Image.Image:
    """Return the picture on white, since JPEG knows no transparency."""
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture.getchannel("A"))
    return flat
