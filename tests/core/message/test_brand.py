import dataclasses

import pytest

from apps.core.message import brand, colors

ACCENTS = ["#0b5cad", "#fc0", "#ffffff", "#000000", "#e91e63"]


@pytest.mark.parametrize("color", ACCENTS)
def test_any_accent_is_made_readable_on_light_and_dark_pages(settings, color):
    settings.BRAND_ACCENT = color
    shown = brand.current()
    light, dark = colors.parse(shown.accent_on_light), colors.parse(shown.accent_on_dark)
    assert colors.contrast(light, colors.LIGHT_GROUND) >= colors.READABLE
    assert colors.contrast(dark, colors.DARK_GROUND) >= colors.READABLE


@pytest.mark.parametrize("color", ACCENTS)
def test_text_on_the_accent_is_readable(settings, color):
    settings.BRAND_ACCENT = color
    shown = brand.current()
    contrast = colors.contrast(colors.parse(shown.on_accent), colors.parse(shown.accent))
    assert contrast >= colors.READABLE


@pytest.mark.parametrize("text", ["navy", "#12", "#ggg", "123456", "#-1234f", "#0b5cad\n"])
def test_what_is_no_color_is_refused(text):
    with pytest.raises(ValueError, match="#0b5cad"):
        colors.parse(text)


def test_the_environment_says_the_brand(settings):
    settings.BRAND_NAME = "Glass Co"
    settings.BRAND_ACCENT = "#fc0"
    settings.OFFICE_PHONE = "+1 (312) 555-0148"
    settings.EMAIL_REPLY_TO = "office@glass.example"
    shown = brand.current()
    assert (shown.name, shown.accent, shown.reply_to) == (
        "Glass Co",
        "#ffcc00",
        "office@glass.example",
    )
    assert shown.tel == "+13125550148"


def test_the_version_changes_with_any_field(settings):
    shown = brand.current()
    changed = {
        dataclasses.replace(shown, **{name: "#123456"}).version for name in ("name", "accent")
    }
    assert len({shown.version} | changed) == 3
    assert dataclasses.replace(shown).version == shown.version
