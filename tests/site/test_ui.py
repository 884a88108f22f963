import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone


def when(moment: datetime | None) -> str:
    return Template("{% load ui %}{% when moment %}").render(Context({"moment": moment}))


def test_when_shows_the_distance_and_the_date_in_the_readers_zone(monkeypatch):
    # In mid-year: the date of another year also shows its year.
    now = datetime(2026, 6, 15, 12, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    moment = now - timedelta(minutes=12)
    with timezone.override("America/Los_Angeles"):
        shown = when(moment)
    local = moment.astimezone(zoneinfo.ZoneInfo("America/Los_Angeles"))
    assert "12\xa0minutes ago" in shown
    assert f'datetime="{local.isoformat(timespec="seconds")}"' in shown
    assert f"{local:%b} {local.day}, {local:%I:%M %p}".replace(" 0", " ") in shown


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(0), "just now"),
        (timedelta(hours=3), "3\xa0hours ago"),
        (timedelta(hours=-3, minutes=-1), "in 3\xa0hours"),
        (timedelta(days=1, hours=5), "1\xa0day ago"),
    ],
)
def test_when_shows_distances_in_words(ago, words):
    assert words in when(timezone.now() - ago)


def test_when_names_another_year_and_shows_nothing_for_none():
    assert "2019" in when(datetime(2019, 5, 6, 12, tzinfo=UTC))
    assert when(None) == ""
