import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.site import brand


@pytest.mark.parametrize("colour", ["#0b5cad", "#fc0", "#ffffff", "#000000", "#e91e63"])
def test_any_accent_is_made_readable_on_light_and_dark_pages(colour):
    accent = brand.parse(colour)
    for ground, toward in (
        (brand.LIGHT_GROUND, brand.BLACK),
        (brand.DARK_GROUND, brand.WHITE),
    ):
        shown = brand.readable_on(ground, accent, toward=toward)
        assert brand.contrast(shown, ground) >= brand.READABLE


def test_a_readable_accent_is_not_changed(client, settings):
    settings.BRAND_ACCENT = "#0b5cad"
    css = client.get("/brand.css").content.decode()
    assert ":root{--accent:#0b5cad;--on-accent:#ffffff}" in css


def test_an_accent_that_is_no_colour_is_refused():
    with pytest.raises(ImproperlyConfigured, match="BRAND_ACCENT is 'navy'"):
        brand.parse("navy")
