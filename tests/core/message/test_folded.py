from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from apps.core.message import folded, segments, things
from apps.core.message.things import Thing
from apps.core.models import Delivery, Digest, Notification
from apps.core.reasons import Reason
from apps.core.states import Channel, DeliveryState, Priority

LONG = "R-1042, unit <b>WX-Bartholomewington-Smythe-Featherstonehaugh</b>"


@pytest.fixture
def carrier(
    notify: Callable[..., list[Notification]], person: Callable[..., User], woken: list[Any]
) -> Callable[..., Delivery]:
    """Makes a delivery that carries itself and as many others."""

    def make(
        others: int, channel: Channel = Channel.EMAIL, held_for: Reason = Reason.DIGEST
    ) -> Delivery:
        jane, matters = person(), [person() for _ in range(others + 1)]
        digest = Digest.objects.create(user=jane, channel=channel, held_for=held_for)
        for about in matters:
            priority = Priority.MEDIUM if channel == Channel.EMAIL else Priority.HIGH
            notify(jane, "repair_in_progress", priority=priority, about=about)
        rows = Delivery.objects.all()
        rows.update(digest=digest, state=DeliveryState.FOLDED)
        first = rows.order_by("created_at")[0]
        rows.filter(pk=first.pk).update(state=DeliveryState.DUE)
        return rows.get(pk=first.pk)

    return make


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        things._describers,
        "auth.user",
        lambda ids: {pk: Thing(LONG, "in progress", "/repairs/1/") for pk in ids},
    )


def test_names_are_escaped_in_html_and_not_in_text(carrier: Any, named: None) -> None:
    mail = folded.email(carrier(2))
    assert "<b>WX" not in mail.html
    assert "&lt;b&gt;WX" in mail.html
    assert "<b>WX" in mail.text
    assert "&lt;" not in mail.subject


def test_a_text_fits_one_part_however_long_the_name(carrier: Any, named: None) -> None:
    text = folded.sms(carrier(120, Channel.SMS)).text
    assert segments.count(text).parts == 1
    assert "and 120 more: http://" in text


@pytest.mark.parametrize(
    ("held_for", "subject"),
    [
        (Reason.DIGEST, "Your daily summary: "),
        (Reason.PAUSED, "While you were away: "),
        (Reason.CAP, "2 matters wait for you: "),
        (Reason.BUNDLE, "2 matters wait for you: "),
    ],
)
def test_the_subject_says_why_they_come_together(
    carrier: Any, held_for: Reason, subject: str
) -> None:
    assert folded.email(carrier(1, held_for=held_for)).subject.startswith(subject)


def test_every_link_is_absolute_and_the_button_leads_to_the_center(
    carrier: Any, named: None
) -> None:
    mail = folded.email(carrier(2))
    assert 'href="/' not in mail.html
    assert mail.html.count("/repairs/1/") == 3
    assert "/notifications/" in mail.text


def test_one_line_for_a_thing_with_several_messages(carrier: Any, notify: Any, named: None) -> None:
    row = carrier(2)
    Notification.objects.update(
        about_id=row.notification.about_id, about_type=row.notification.about_type
    )
    (line,) = folded.lines(folded.items(row))
    assert line.name == LONG
    assert line.state == "in progress"


def test_a_thing_that_is_gone_is_shown_by_its_latest_message(carrier: Any) -> None:
    row = carrier(1)
    assert {line.name for line in folded.lines(folded.items(row))} == {row.notification.title}


def test_if_all_but_one_became_stale_the_ordinary_mail_is_left(carrier: Any) -> None:
    row = carrier(2)
    others = Notification.objects.exclude(pk=row.notification_id)
    others.update(read_at=timezone.now())
    assert folded.email(row).subject.startswith("Started")
