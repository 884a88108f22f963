"""The design that all e-mails share."""

from dataclasses import replace
from typing import Any

import css_inline
import html5lib
import pytest
from django.utils.safestring import SafeString

from apps.core.message import layout, rendering, wording
from apps.core.message.brand import Brand, Link
from apps.core.message.kinds import Tone
from tests.support.messages import sample

BRAND = Brand(
    name="Northside Glass",
    accent="#7a1f5c",
    phone="+1 202 555 0142",
    sender_name="Northside",
    reply_to="",
    postal_address="1 Main St, Springfield",
    support_hours="Mon-Fri 8-5",
    footer="Since 1998",
    logo_url="https://app.rssystems.com/logo.png",
    logo_width=120,
    logo_height=30,
    links=(Link("Site", "https://northside.example"),),
)


@pytest.fixture
def letter() -> layout.Letter:
    return layout.Letter(
        subject="Approved: unit 417",
        preheader="Start the repair.",
        state="Approved",
        heading="Unit 417",
        html=SafeString("<p>Start.</p>"),
        text="Start.",
        note=None,
        photo=None,
        facts=[layout.Fact("Unit", "417")],
        action="Start the repair",
        action_url="https://app.rssystems.com/repairs/1/?a=1&b=2",
        why="This e-mail is for Pat.",
        preferences_url="https://app.rssystems.com/account/",
        unsubscribe_url="",
    )


def document(html: str) -> Any:
    html5lib.HTMLParser(strict=True).parse(html)
    return html5lib.parse(html, namespaceHTMLElements=False)


def test_the_logo_has_its_size_and_a_text_for_those_who_load_no_pictures(
    letter: layout.Letter,
) -> None:
    [logo] = document(layout.html(letter, BRAND, Tone.GOOD, "en")).iter("img")
    assert logo.get("src") == BRAND.logo_url
    assert (logo.get("width"), logo.get("height")) == ("120", "30")
    assert logo.get("alt") == "Northside Glass"


def test_without_a_logo_no_picture_is_needed(letter: layout.Letter) -> None:
    html = layout.html(letter, replace(BRAND, logo_url=""), Tone.GOOD, "en")
    assert "<img" not in html
    assert "url(" not in html


PHOTO = layout.fit_photo("https://app.rssystems.com/photos/a.jpg", 'A "break" & <b>', 640, 480)


def test_a_photo_has_its_size_and_a_text_and_fits_the_card(letter: layout.Letter) -> None:
    with_photo = replace(letter, photo=PHOTO)
    html = layout.html(with_photo, replace(BRAND, logo_url=""), Tone.WAITING, "en")
    [photo] = document(html).iter("img")
    assert photo.get("src") == PHOTO.url
    assert photo.get("alt") == 'Photo: A "break" & <b>'
    # Outlook reads the attributes alone, others the style.
    assert (photo.get("width"), photo.get("height")) == ("533", "400")
    assert "max-width: 100%" in photo.get("style")
    assert "border-radius: 6px" in photo.get("style")
    assert f"Photo: {PHOTO.url}\n" in layout.text(with_photo, BRAND, "en")
    assert f"Foto: {PHOTO.url}\n" in layout.text(with_photo, BRAND, "es")


@pytest.mark.parametrize(
    ("size", "shown"),
    [((640, 360), (554, 312)), ((480, 640), (300, 400)), ((200, 100), (200, 100))],
)
def test_a_photo_leaves_room_for_the_button(size: tuple[int, int], shown: tuple[int, int]) -> None:
    fitted = layout.fit_photo("https://x.example/a.jpg", "Chip", *size)
    assert (fitted.width, fitted.height) == shown


def test_a_note_is_quoted_with_its_author_and_is_no_markup(letter: layout.Letter) -> None:
    note = layout.Note("“<b>Sold</b> & gone”", "Maria <i>")
    with_note = replace(letter, note=note)
    html = layout.html(with_note, BRAND, Tone.BAD, "en")
    document(html)
    assert "“&lt;b&gt;Sold&lt;/b&gt; &amp; gone”" in html
    assert "Maria &lt;i&gt;</div>" in html
    assert "“<b>Sold</b> & gone”\nMaria <i>" in layout.text(with_note, BRAND, "en")
    assert "border-left: 3px solid" not in layout.html(letter, BRAND, Tone.BAD, "en")


def test_the_footer_says_who_writes_in_both_forms(letter: layout.Letter) -> None:
    html, text = layout.html(letter, BRAND, Tone.NEWS, "en"), layout.text(letter, BRAND, "en")
    for part in ("+1 202 555 0142", "1 Main St", "Mon-Fri 8-5", "Since 1998", "northside.example"):
        assert part in html
        assert part in text
    assert "Unsubscribe" not in html + text


@pytest.mark.parametrize("tone", Tone)
def test_the_state_is_a_word_and_a_color_in_light_and_dark(
    letter: layout.Letter, tone: Tone
) -> None:
    html = layout.html(letter, BRAND, tone, "en")
    light, dark = layout.TONES.get(tone, (BRAND.accent_on_light, BRAND.accent_on_dark))
    assert f"border-top: 5px solid {light}" in html
    assert f"border-top-color: {dark} !important" in html
    assert ">Approved</p>" in html
    assert "$" not in html


def test_the_button_is_the_brand_s_and_outlook_has_its_own(letter: layout.Letter) -> None:
    html = layout.html(letter, BRAND, Tone.BAD, "en")
    href = 'href="https://app.rssystems.com/repairs/1/?a=1&amp;b=2"'
    assert html.count(href) == 2
    assert f'fillcolor="{BRAND.accent}"' in html
    assert f"color: {BRAND.on_accent}" in html


def test_no_client_adds_words_of_the_footer_to_the_preheader(letter: layout.Letter) -> None:
    body = document(layout.html(letter, BRAND, Tone.BAD, "en")).find("body")
    shown = body.find("div").text
    assert shown.startswith("Start the repair.")
    assert len(shown) > 150
    assert not shown.removeprefix("Start the repair.").strip("\u034f\u200c\xa0")


def test_a_brand_s_words_are_no_template_and_no_markup(letter: layout.Letter) -> None:
    brand = replace(BRAND, name="{{ subject }}{% x %}<b>$accent", logo_url="")
    html = layout.html(letter, brand, Tone.BAD, "en")
    assert "{{ subject }}{% x %}&lt;b&gt;$accent" in html
    document(html)


def test_fixed_words_are_in_the_language_of_the_message(letter: layout.Letter) -> None:
    html = layout.html(letter, BRAND, Tone.BAD, "es")
    assert '<html lang="es"' in html
    assert "Choose what reaches you" not in html


def test_styles_are_written_into_elements_once_for_all_messages(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.BRAND_ACCENT = "#0a0b0c"
    rendering.email(sample("repair_denied"))

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("inlined again")

    monkeypatch.setattr(css_inline, "CSSInliner", refuse)
    monkeypatch.setattr(css_inline, "inline_fragment", refuse)
    row = sample("repair_denied", action_url="/repairs/2/")
    assert "/repairs/2/" in rendering.email(row).html
    assert wording.find(row.wording)
