"""What becomes of uploaded logos, harmless and hostile ones."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from apps.core.services import logos, pictures
from tests.support.pictures import drawn, png_of, saved


def read(data: bytes) -> Image.Image:
    """Return the logo that is made of this upload."""
    logo = logos.read(io.BytesIO(data))
    made = Image.open(io.BytesIO(logo.data), formats=["PNG"])
    assert made.size == (logo.width, logo.height)
    return made


def refusal(data: bytes) -> str:
    with pytest.raises(logos.NotALogo) as refused:
        logos.read(io.BytesIO(data))
    return str(refused.value)


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("JPEG", "L"),
        ("GIF", "P"),
        ("WEBP", "RGB"),
    ],
)
def test_every_usual_picture_becomes_a_png(form: str, mode: str) -> None:
    assert read(saved(drawn(mode), form)).size == (300, 100)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1200, 400), (600, 200)), ((1200, 100), (600, 50)), ((400, 400), (200, 200))],
)
def test_a_large_one_is_made_small_and_keeps_its_shape(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert read(saved(drawn(size=size))).size == expected


def test_a_small_one_is_not_enlarged() -> None:
    assert read(saved(drawn(size=(60, 20)))).size == (60, 20)


def test_a_process_makes_one_picture_small_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    thumbnail, is_alone = Image.Image.thumbnail, []

    def observed(picture: Image.Image, *arguments: Any) -> None:
        is_alone.append(pictures._decoding.locked())
        thumbnail(picture, *arguments)

    monkeypatch.setattr(Image.Image, "thumbnail", observed)
    read(saved(drawn(size=(1200, 400))))
    assert is_alone == [True], "with all its pixels it takes hundreds of megabytes"
    assert not pictures._decoding.locked()


def test_transparency_stays() -> None:
    image = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 100, 100), fill="navy")
    assert read(saved(image)).getpixel((299, 50)) == (0, 0, 0, 0)


def test_a_photo_lying_on_its_side_is_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read(saved(drawn(), "JPEG", exif=exif)).size == (67, 200)


def test_metadata_is_gone() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Jane Ortiz")
    info.add_text("Comment", "<script>alert(1)</script>", zip=True)
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    made = read(saved(drawn(), pnginfo=info, exif=exif))
    made.load()
    assert made.info == {}
    assert not made.getexif()


def test_what_hides_behind_a_picture_is_gone() -> None:
    hidden = b"<html><script>alert(1)</script></html>PK\x03\x04"
    polyglot = saved(drawn(), "GIF") + hidden
    assert hidden not in logos.read(io.BytesIO(polyglot)).data


def test_the_same_picture_has_the_same_name() -> None:
    one, other = saved(drawn()), saved(drawn(), compress_level=0)
    assert one != other
    assert logos.read(io.BytesIO(one)).sha256 == logos.read(io.BytesIO(other)).sha256


@pytest.mark.parametrize(
    ("size", "words"),
    [((5_000, 5_000), "smaller"), ((50_000, 50_000), "can be read"), ((10, 10), "at least 16")],
)
def test_a_bomb_is_refused_by_its_header(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], words: str
) -> None:
    def load(*_: Any) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    assert words in refusal(png_of(*size))


def test_a_text_that_unpacks_to_gigabytes_is_refused_or_dropped() -> None:
    bomb = zlib.compress(b"x" * 50_000_000, 9)
    data = b"a\0\0" + bomb
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    picture = saved(drawn())
    assert "can be read" in refusal(picture[:33] + chunk + picture[33:])


SVG = b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (SVG, "Export the logo as PNG"),
        (SVG.upper(), "Export the logo as PNG"),
        (b"", "can be read"),
        (b"GIF89a", "can be read"),
        (b"%PDF-1.7 ...", "can be read"),
        (b"<html><script>alert(1)</script></html>", "can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "can be read"),
        (b"\0" * (logos.MOST_BYTES + 1), "too large"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, words: str) -> None:
    assert words in refusal(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_broken_file_is_refused(form: str) -> None:
    whole = saved(drawn(), form)
    assert "can be read" in refusal(whole[: len(whole) // 2])


@pytest.mark.parametrize("form", ["BMP", "TIFF", "ICO"])
def test_another_format_is_refused(form: str) -> None:
    assert "Use PNG, JPEG, GIF or WebP." in refusal(saved(drawn(), form))


@pytest.mark.parametrize("fill", ["white", "#ffe08a", (255, 255, 255, 0)])
def test_a_logo_that_cannot_be_seen_on_white_is_refused(fill: Any) -> None:
    image = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 100, 100), fill=fill)
    assert "cannot be seen on white" in refusal(saved(image))
