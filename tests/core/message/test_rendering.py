from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.message import kinds, links, rendering, segments
from apps.core.models import Notification
from apps.core.services.notification import NotificationService

#: Kinds with a link or code of their own: test_account_kinds.py.
KINDS = [kind.name for kind in kinds.REGISTRY.values() if not kind.secrets]


@pytest.fixture(params=KINDS)
def notification(request: pytest.FixtureRequest) -> Notification:
    """Each kind there is, with its sample, to a person whose name is hard on markup."""
    kind = kinds.get(request.param)
    return Notification(
        recipient=User(username="pat", first_name="Pat", last_name="O'Brien <b>"),
        kind=kind.name,
        context=kind.sample.model_dump(mode="json"),
        action_url="/repairs/1042/",
    )


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SITE_URL = "https://app.rssystems.com"
    settings.BRAND_NAME = "RS Systems"
    settings.BRAND_ACCENT = "#123456"


LINK = "https://app.rssystems.com/repairs/1042/"


def test_every_kind_has_a_title_and_a_text_for_the_app(notification: Notification) -> None:
    kind = kinds.get(notification.kind)
    content = rendering.in_app(kind, kind.sample, notification.action_url)
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
    assert text.startswith("RS Systems: ")
    assert segments.count(text).parts == 1


def test_every_value_of_the_sample_is_shown_somewhere(notification: Notification) -> None:
    content = rendering.email(notification)
    for name, value in notification.context.items():
        if isinstance(value, str) and not value.replace(".", "").isdigit():
            assert value in content.text, f"{notification.kind} never says {name}"


def test_an_unknown_variable_in_a_template_raises() -> None:
    engine = rendering._engine(autoescape=False)
    template = engine.from_string("Hello {{ nobody|upper }}")
    with pytest.raises(rendering.BlankVariable, match="nobody"):
        template.render({"somebody": "Jane"})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/repairs/1/", "https://app.rssystems.com/repairs/1/"),
        ("", "https://app.rssystems.com/"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x"),
    ],
)
def test_links_are_absolute(url: str, expected: str) -> None:
    assert links.absolute(url) == expected


def test_the_in_app_words_are_not_escaped_twice(notify: Callable[..., Any], person: Any) -> None:
    kind = kinds.get("repair_denied")
    (field,) = [name for name in type(kind.sample).model_fields if name == "reason"]
    context = kind.sample.model_dump() | {field: "O'Brien said <no>"}
    (row,) = NotificationService().notify("repair_denied", person(), context)
    assert "O'Brien said <no>" in row.text


def test_a_title_that_is_too_long_is_cut_with_an_ellipsis(person: Any) -> None:
    context = kinds.get("repair_approved").sample.model_dump(mode="json")
    context["job"] |= {"company": "C" * 500}
    (row,) = NotificationService().notify("repair_approved", person(), context)
    assert len(row.title) == 200
    assert row.title.endswith("\u2026")
