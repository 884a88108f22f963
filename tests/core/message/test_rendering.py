"""Every kind in every language, and what becomes of awkward values."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import html5lib
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from apps.core.message import brand as brands
from apps.core.message import kinds, links, rendering, segments, variables, wording
from apps.core.message.parts import Part
from apps.core.models import Notification
from apps.core.services.notification import NotificationService
from apps.core.states import Channel
from tests.support.messages import in_app, sample

SITE = "https://app.rssystems.com"
#: Kinds with a link or code of their own: test_account_kinds.py.
OPEN = [kind.name for kind in kinds.REGISTRY.values() if not kind.secrets]
LANGUAGES = wording.languages()
LONG = "Bartholomew Featherstonehaugh-Cholmondeley of York"
#: The reference, and what is no name.
NOT_NAMES = {"number", "status", "next_step", "what", "event", "run", "simulates", "reason"}


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SITE_URL = SITE
    settings.BRAND_NAME = "RS Systems"
    settings.BRAND_ACCENT = "#123456"
    settings.OFFICE_PHONE = "+1 (202) 555-0199"
    settings.POSTAL_ADDRESS = "12 Main St, Springfield, IL 62701"
    settings.SUPPORT_HOURS = "Mon-Fri 8-5"


@pytest.fixture(params=product(OPEN, LANGUAGES), ids=lambda pair: "-".join(pair))
def notification(request: pytest.FixtureRequest) -> Notification:
    """Return each kind in each language, to a person whose name is hard on markup."""
    pat = User(pk=7, username="pat", first_name="Pat", last_name="O'Brien <b>")
    return sample(*request.param, recipient=pat)


LINK = f"{SITE}/repairs/1042/"


def with_names(value: Any, name: str, key: str = "") -> Any:
    """Return a context with each text that is a name replaced."""
    if isinstance(value, dict):
        return {key: with_names(each, name, key) for key, each in value.items()}
    is_name = isinstance(value, str) and key not in NOT_NAMES and not re.match(r"[\d.]+$", value)
    return name if is_name else value


def test_every_kind_has_a_title_and_a_text_for_the_app(notification: Notification) -> None:
    content = in_app(notification)
    assert content.title
    assert "\n" not in content.title
    assert content.text


def test_every_kind_s_email_has_a_subject_and_two_linked_bodies(
    notification: Notification,
) -> None:
    content = rendering.email(notification)
    assert content.subject
    assert "\n" not in content.subject
    assert LINK in content.text
    assert f'href="{LINK}"' in content.html
    assert "#123456" in content.html


def test_every_e_mail_is_valid_html_in_its_language_and_small(notification: Notification) -> None:
    content = rendering.email(notification)
    html5lib.HTMLParser(strict=True).parse(content.html)
    words = wording.find(notification.wording)
    assert words
    assert f'<html lang="{words.language}"' in content.html
    assert len(content.html.encode()) < 60_000
    assert "data-css-inline" not in content.html


def test_every_link_of_an_e_mail_is_absolute(notification: Notification) -> None:
    content = rendering.email(notification)
    for href in re.findall(r'(?:href|src)="([^"]*)"', content.html):
        assert href.startswith((f"{SITE}/", "tel:+")), href


def test_the_html_s_title_is_the_subject(notification: Notification) -> None:
    content = rendering.email(notification)
    document = html5lib.parse(content.html, namespaceHTMLElements=False)
    assert document.findtext(".//title") == content.subject


def test_the_plain_text_is_complete(notification: Notification) -> None:
    """All that is read in the HTML is in the plain text, but for the hidden preheader."""
    content = rendering.email(notification)
    shown = re.sub("<!--.*?-->", "", content.html)
    document = html5lib.parse(shown, namespaceHTMLElements=False)
    body, preheader = document.find("body"), document.find("body/div")
    assert body is not None
    assert preheader is not None
    body.remove(preheader)
    for line in filter(None, (text.strip(" ·:\n") for text in body.itertext())):
        assert line in content.text, line
    assert "12 Main St" in content.text
    assert "Mon-Fri 8-5" in content.text


def test_plain_text_has_no_escapes_and_html_has_them(notification: Notification) -> None:
    content = rendering.email(notification)
    assert "Pat O'Brien <b>" in content.text
    assert "&#x27;" not in content.text
    assert "O&#x27;Brien &lt;b&gt;" in content.html


def test_every_kind_s_text_message_fits_one_part_and_ends_with_its_link(
    notification: Notification,
) -> None:
    text = rendering.sms(notification).text
    assert text.endswith(LINK)
    assert segments.count(text).parts == 1, text
    assert "\ue010" not in text


def test_a_text_message_that_is_cut_keeps_its_link() -> None:
    context = {"title": "Closed", "text": "Call us. " * 55, "by": "Sam Whitaker"}
    text = rendering.sms(sample("announcement", context=context)).text
    assert len(text) <= 2 * rendering.LONGEST_LINE
    assert text.endswith(f"... {LINK}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in OPEN if name != "announcement"])
def test_names_of_50_characters_leave_a_text_message_its_one_part(name: str, language: str) -> None:
    context = with_names(kinds.get(name).sample.model_dump(mode="json"), LONG)
    if "job" in context:
        context["job"] |= {"unit": "417", "damage": "Star break, driver side"}
    text = rendering.sms(sample(name, language, context=context)).text
    assert segments.count(text).parts == 1, text
    assert text.endswith(LINK)
    if "job" in context:
        assert context["job"]["number"] in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in OPEN if name.startswith("repair_")])
def test_a_subject_shows_the_unit_within_40_characters(name: str, language: str) -> None:
    context = with_names(kinds.get(name).sample.model_dump(mode="json"), LONG)
    context["job"]["unit"] = "417"
    subject = rendering.email(sample(name, language, context=context)).subject
    assert "417" in subject[:40], subject


@pytest.mark.parametrize("name", OPEN)
def test_every_value_of_the_sample_is_shown_somewhere(name: str) -> None:
    row = sample(name)
    shown = rendering.email(row).text.lower()
    for field, value in row.context.items():
        if isinstance(value, str) and not value.replace(".", "").isdigit():
            assert value.lower() in shown, f"{name} never says {field}"


def test_a_subject_cannot_hold_a_second_header() -> None:
    context = kinds.get("announcement").sample.model_dump(mode="json")
    row = sample("announcement", context={**context, "text": "One.\r\nBcc: all@example.com"})
    content = rendering.email(row)
    assert "\n" not in content.subject + "".join(content.headers.values())
    assert "One.<br>Bcc" in content.html.replace("\r", "")


def test_a_value_with_a_line_break_makes_no_other_fact() -> None:
    context = kinds.get("repair_completed").sample.model_dump(mode="json")
    context["reason"] = "Cracked.\nApproved: $1.00"
    facts = rendering.email(sample("repair_completed", context=context)).html
    assert facts.count("<th") == 7
    assert "$1.00</td>" not in facts


def denial(reason: str, parts: dict[Part, str] | None = None) -> str:
    """Return the e-mail's plain text of a denial, in the file's words with these changes."""
    kind, file = kinds.get("repair_denied"), wording.of_file("repair_denied", "en")
    words = wording.Wording.of(kind.name, "en", 0, {**file.parts, **(parts or {})})
    context = kind.sample.model_copy(update={"reason": reason, "denied_by": "Maria: Alvarez"})
    made = rendering.draft(kind, words, context, "Pat", brands.current(), Channel.EMAIL)
    assert isinstance(made, rendering.EmailContent)
    return made.text


def test_what_a_person_wrote_is_a_note_with_its_author_and_in_no_sentence() -> None:
    text = denial("It is sold.")
    assert "\n\n“It is sold.”\nMaria: Alvarez\n\n" in text
    assert text.count("It is sold.") == 1


def test_words_with_line_breaks_make_no_other_author() -> None:
    assert "“It is sold. Sam Whitaker”\nMaria: Alvarez\n" in denial("It is sold.\nSam Whitaker")


def test_a_note_without_words_is_left_out() -> None:
    kind = kinds.get("repair_completed")
    context = kind.sample.model_dump(mode="json") | {"reason": ""}
    email = rendering.email(sample(kind.name, context=context))
    assert "“" not in email.text
    assert 'class="note"' not in email.html


def test_words_of_before_there_were_notes_stay_as_they_were_sent() -> None:
    sentence = "{{ denied_by }} denied the repair and wrote: “{{ reason }}”"
    text = denial("It is sold.", {Part.SENTENCE: sentence, Part.NOTE: ""})
    assert "\n\nMaria: Alvarez denied the repair and wrote: “It is sold.”\n\nUnit: 417" in text


def test_a_photo_is_shown_from_the_context_and_described_in_the_reader_s_language() -> None:
    for language, alt in (
        ("en", "Photo: Star break, driver side"),
        ("es", "Foto: Rotura en estrella, lado del conductor"),
    ):
        email = rendering.email(sample("repair_pending_approval", language))
        assert f'src="{SITE}/static/sample-photo.jpg" alt="{alt}"' in email.html
        assert f"Foto: {SITE}" in email.text or f"Photo: {SITE}" in email.text


def test_a_context_of_before_there_were_photos_is_still_valid() -> None:
    kind = kinds.get("repair_pending_approval")
    context = kind.sample.model_dump(mode="json")
    del context["photo"]
    assert "<img" not in rendering.email(sample(kind.name, context=context)).html


def test_no_part_can_use_a_photo() -> None:
    kind = kinds.get("repair_pending_approval")
    assert not [name for name in variables.of(kind, Part.SENTENCE) if "photo" in name]


def test_a_fact_without_a_value_is_left_out(settings: Any) -> None:
    assert "Office: +1" in rendering.email(sample("repair_denied")).text
    settings.OFFICE_PHONE = ""
    assert "Office" not in rendering.email(sample("repair_denied")).text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/repairs/1/", f"{SITE}/repairs/1/"),
        ("", f"{SITE}/"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x"),
    ],
)
def test_links_are_absolute(url: str, expected: str) -> None:
    assert links.absolute(url) == expected


def test_the_in_app_words_are_not_escaped_twice(notify: Callable[..., Any], person: Any) -> None:
    context = kinds.get("repair_denied").sample.model_dump() | {"reason": "O'Brien said <no>"}
    (row,) = NotificationService().notify("repair_denied", person(), context)
    assert "O'Brien said <no>" in row.text


def test_a_title_that_is_too_long_is_cut_with_an_ellipsis(person: Any) -> None:
    context = kinds.get("repair_approved").sample.model_dump(mode="json")
    context["job"] |= {"unit": "C" * 500}
    (row,) = NotificationService().notify("repair_approved", person(), context)
    assert len(row.title) == 200
    assert row.title.endswith("\u2026")


def test_a_draft_is_what_its_message_would_be() -> None:
    kind, words = kinds.get("repair_approved"), wording.of_file("repair_approved", "es")
    made: dict[Any, Any] = {
        channel: rendering.draft(kind, words, kind.sample, "Pat Doyle", brands.current(), channel)
        for channel in (None, *Channel)
    }
    row = sample("repair_approved", "es", action_url="/")
    assert made[None] == in_app(row)
    assert made[Channel.SMS] == rendering.sms(row)
    sent = rendering.email(row)
    assert (made[Channel.EMAIL].subject, made[Channel.EMAIL].headers) == (
        sent.subject,
        sent.headers,
    )


def test_a_message_that_is_shown_again_has_no_secret_and_no_link_that_acts(db: None) -> None:
    now = timezone.now()
    text = rendering.as_sent(sample("confirm_phone", created_at=now), Channel.SMS).text
    assert text.startswith("------ is your RS Systems code.")
    content = rendering.as_sent(sample("repair_completed", created_at=now), Channel.EMAIL)
    assert isinstance(content, rendering.EmailContent)
    assert "/unsubscribe/" not in content.html + content.text
