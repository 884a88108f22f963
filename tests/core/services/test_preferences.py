from collections.abc import Callable, Collection, Mapping
from datetime import datetime, time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.message import decide, kinds, people
from apps.core.models import Choice, Contact, Preferences, Rule
from apps.core.models.preferences import ChoiceVia, RuleSetting, Setting, validate_quiet
from apps.core.reasons import Reason
from apps.core.services import preferences
from apps.core.states import Channel
from tests.support.queries import statements

pytestmark = pytest.mark.sqlite

Person = Callable[..., User]
EMAIL, SMS = Channel.EMAIL, Channel.SMS
KIND = kinds.get("repair_approved")
APPROVAL = KIND.category.name


def choose(user: User, setting: Setting | None, **options: Any) -> bool:
    values = {"via": ChoiceVia.PAGE, "by": user, **options}
    return preferences.choose(user, APPROVAL, EMAIL, setting, **values)


def reason(user: User, channel: Channel = EMAIL) -> Reason:
    return decide.switch(KIND, people.load([user.pk])[user.pk], channel).reason


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize(
    ("setting", "expected"), [(Setting.OFF, Reason.PERSON_OFF), (Setting.AT_ONCE, Reason.PERSON_ON)]
)
def test_each_switch_is_read(
    person: Person, settings: Any, channel: Channel, setting: Setting, expected: Reason
) -> None:
    jane = person()
    preferences.choose(jane, APPROVAL, channel, setting, via=ChoiceVia.PAGE, by=jane)
    assert reason(jane, channel) == expected
    others = {Channel.EMAIL, Channel.SMS} - {channel}
    assert reason(jane, others.pop()) == Reason.KIND_DEFAULT_ON


def test_once_a_day_is_read(person: Person) -> None:
    jane = person()
    choose(jane, Setting.DAILY)
    assert decide.is_daily(KIND, people.load([jane.pk])[jane.pk], EMAIL)


def test_a_later_choice_replaces_the_first_and_both_are_kept(person: Person) -> None:
    jane, office = person(), person()
    assert choose(jane, Setting.OFF)
    assert choose(jane, Setting.DAILY, via=ChoiceVia.OFFICE, by=office)
    assert not choose(jane, Setting.DAILY, via=ChoiceVia.OFFICE, by=office)
    now, before = Choice.objects.filter(user=jane)
    assert (now.setting, now.via, now.by, now.replaced_at) == ("daily", "office", office, None)
    assert (before.setting, before.by) == ("off", jane)
    assert before.replaced_at


def test_no_choice_is_the_default_again(person: Person) -> None:
    jane = person()
    choose(jane, Setting.OFF)
    assert choose(jane, None)
    assert not choose(jane, None)
    assert reason(jane) == Reason.KIND_DEFAULT_ON


def test_texts_once_a_day_are_refused(person: Person) -> None:
    jane = person()
    with pytest.raises(ValidationError, match="Only e-mails"):
        preferences.choose(jane, "", SMS, Setting.DAILY, via=ChoiceVia.PAGE)


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ([["x"]], "Write each range"),
        ([[7, "21:00", "07:00"]], "Write each range"),
        ([[0, "21:00", "25:00"]], "Write each range"),
        ("often", "Write each range"),
        (
            [[day, "00:00", "12:00"] for day in range(7)]
            + [[day, "12:00", "00:00"] for day in range(7)],
            "Leave some time",
        ),
    ],
)
def test_quiet_hours_that_cannot_be_are_refused(person: Person, ranges: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        validate_quiet(ranges)
    with pytest.raises(ValidationError):
        preferences.set_times(person(), quiet=ranges)


def test_a_digest_hour_outside_the_day_is_refused(person: Person) -> None:
    with pytest.raises(ValidationError):
        preferences.set_times(person(), digest_hour=24)


def test_a_guess_of_the_zone_does_not_replace_a_confirmed_one(person: Person) -> None:
    jane = person()
    assert preferences.set_time_zone(jane, "America/Denver", is_confirmed=False)
    assert preferences.set_time_zone(jane, "America/Chicago", is_confirmed=True)
    assert not preferences.set_time_zone(jane, "Asia/Tokyo", is_confirmed=False)
    assert Contact.objects.get(user=jane).time_zone == "America/Chicago"
    with pytest.raises(ValidationError):
        preferences.set_time_zone(jane, "Mars/Base", is_confirmed=True)


def test_a_pause_needs_another_person_as_deputy_and_a_zone(person: Person) -> None:
    jane = person()
    with pytest.raises(ValidationError, match="another person"):
        preferences.pause(jane, None, deputy=jane)
    with pytest.raises(ValueError, match="time zone"):
        preferences.pause(jane, datetime(2026, 12, 1))


@pytest.fixture
def companies(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says to which companies people belong."""

    def belong(**groups: Collection[str]) -> None:
        def resolve(ids: Collection[Any]) -> Mapping[Any, Collection[str]]:
            users = User.objects.filter(pk__in=ids)
            return {user.pk: groups.get(user.username, ()) for user in users}

        monkeypatch.setattr(people, "_resolvers", [resolve])

    return belong


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RuleSetting.FORCED_ON, Reason.COMPANY_FORCED_ON),
        (RuleSetting.FORCED_OFF, Reason.COMPANY_FORCED_OFF),
        (RuleSetting.DEFAULT_ON, Reason.COMPANY_DEFAULT_ON),
        (RuleSetting.DEFAULT_OFF, Reason.COMPANY_DEFAULT_OFF),
    ],
)
def test_each_rule_binds_the_people_of_its_company(
    person: Person, companies: Any, rule: RuleSetting, expected: Reason
) -> None:
    jane, luis = person(), person()
    companies(**{jane.username: ["redwood"], luis.username: ["other"]})
    Rule.objects.create(group="redwood", category=APPROVAL, channel=EMAIL, rule=rule)
    assert reason(jane) == expected
    assert reason(luis) == Reason.KIND_DEFAULT_ON


def test_of_two_companies_the_one_that_sends_counts(person: Person, companies: Any) -> None:
    jane = person()
    companies(**{jane.username: ["a", "b"]})
    for group, rule in (("a", RuleSetting.FORCED_OFF), ("b", RuleSetting.FORCED_ON)):
        Rule.objects.create(group=group, category=APPROVAL, channel=EMAIL, rule=rule)
    assert reason(jane) == Reason.COMPANY_FORCED_ON


def test_people_cost_one_statement_and_two_more_if_anybody_has_chosen(person: Person) -> None:
    everyone = [person() for _ in range(30)]
    with CaptureQueriesContext(connection) as captured:
        found = people.load([each.pk for each in everyone])
    assert len(found) == 30
    assert len(statements(captured)) == 1
    choose(everyone[0], Setting.OFF)
    with CaptureQueriesContext(connection) as captured:
        people.load([each.pk for each in everyone])
    # The choices, and the times that are kept beside them.
    assert len(statements(captured)) == 3


def test_a_person_without_preferences_has_the_house_s_hours(person: Person, settings: Any) -> None:
    settings.SMS_HOURS = (time(8), time(21))
    settings.DIGEST_HOUR = 7
    jane = person(time_zone="America/Denver")
    found = people.load([jane.pk])[jane.pk]
    assert (found.zone.key, found.digest_hour, found.quiet) == ("America/Denver", 7, ())
    assert {(each.start, each.end) for each in found.text_quiet} == {(time(21), time(8))}
    assert not Preferences.objects.exists()
