from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.message import decide as decisions
from apps.core.message import kinds, quiet_hours, routing
from apps.core.message.decide import Decision, Earlier, decide, plan, spread, stale, switch
from apps.core.message.kinds import NotificationKind
from apps.core.message.people import Made, Person, Ruled
from apps.core.message.quiet_hours import QuietRange, every_day
from apps.core.models import Notification
from apps.core.models.preferences import ChoiceVia, RuleSetting, Setting
from apps.core.reasons import (
    HOLD_REASONS,
    LOCKED,
    STALE_REASONS,
    Reason,
    Verdict,
)
from apps.core.states import Channel, Priority
from tests.support import reasons

EMAIL, SMS = Channel.EMAIL, Channel.SMS
NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 17, 2, tzinfo=UTC)
AT = datetime(2026, 10, 1, tzinfo=UTC)
ANN = Person(id=7, zone=ZoneInfo("UTC"))
KIND = replace(kinds.get("repair_approved"), priority=Priority.MEDIUM)
CATEGORY = KIND.category.name

OFF = Made(Setting.OFF, by_id=7, at=AT)
ON = Made(Setting.AT_ONCE, by_id=7, at=AT)
DAILY = Made(Setting.DAILY, by_id=7, at=AT)


def chose(made: Made, channel: Channel = EMAIL, category: str = CATEGORY) -> Person:
    return replace(ANN, choices={(category, channel): made})


def ruled(rule: RuleSetting, who: Person = ANN, category: str = CATEGORY) -> Person:
    return replace(who, rules={(category, EMAIL): Ruled(rule, by_id=1, at=AT)})


def of(kind: NotificationKind, **changes: Any) -> NotificationKind:
    return replace(kind, **changes)


REQUIRED = of(KIND, required=frozenset({EMAIL}))
FORBIDDEN = of(KIND, forbidden=frozenset({EMAIL}))
UNSUBSCRIBED = Made(Setting.OFF, ChoiceVia.MAIL_CLIENT, at=AT)


@pytest.mark.parametrize(
    ("kind", "person", "verdict", "reason"),
    [
        (KIND, ANN, "send", Reason.KIND_DEFAULT_ON),
        (of(KIND, default=frozenset()), ANN, "skip", Reason.KIND_DEFAULT_OFF),
        (KIND, ruled(RuleSetting.DEFAULT_OFF), "skip", Reason.COMPANY_DEFAULT_OFF),
        (
            of(KIND, default=frozenset()),
            ruled(RuleSetting.DEFAULT_ON),
            "send",
            Reason.COMPANY_DEFAULT_ON,
        ),
        # Somebody who has chosen is not touched by a default.
        (KIND, ruled(RuleSetting.DEFAULT_OFF, chose(ON)), "send", Reason.PERSON_ON),
        (KIND, ruled(RuleSetting.DEFAULT_ON, chose(OFF)), "skip", Reason.PERSON_OFF),
        (KIND, ruled(RuleSetting.FORCED_ON, chose(OFF)), "send", Reason.COMPANY_FORCED_ON),
        (KIND, ruled(RuleSetting.FORCED_OFF, chose(ON)), "skip", Reason.COMPANY_FORCED_OFF),
        (REQUIRED, ruled(RuleSetting.FORCED_OFF, chose(OFF)), "send", Reason.KIND_REQUIRED),
        (FORBIDDEN, ruled(RuleSetting.FORCED_ON, chose(ON)), "skip", Reason.KIND_FORBIDDEN),
        (REQUIRED, chose(UNSUBSCRIBED), "skip", Reason.UNSUBSCRIBED),
        (REQUIRED, chose(Made(Setting.OFF, ChoiceVia.STOP)), "skip", Reason.STOPPED),
        (REQUIRED, chose(Made(Setting.OFF, ChoiceVia.COMPLAINT)), "skip", Reason.COMPLAINED),
    ],
)
def test_the_first_that_applies_decides(
    kind: NotificationKind, person: Person, verdict: str, reason: Reason
) -> None:
    found = decide(kind, person, EMAIL, NOON)
    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize("reason", reasons.UNREACHABLE)
def test_who_cannot_be_reached_is_skipped_with_the_reason(reason: str) -> None:
    person = replace(ANN, unreachable={EMAIL: Reason(reason)})
    assert decide(REQUIRED, person, EMAIL, NOON).reason == reason


def test_a_decision_says_who_made_it_and_when() -> None:
    found = decide(KIND, chose(OFF), EMAIL, NOON)
    assert (found.by_id, found.at) == (7, AT)
    found = decide(KIND, ruled(RuleSetting.FORCED_ON), EMAIL, NOON)
    assert (found.by_id, found.at) == (1, AT)


def test_a_choice_for_every_category_counts_unless_a_category_has_its_own() -> None:
    everywhere = chose(OFF, category="")
    assert decide(KIND, everywhere, EMAIL, NOON).reason == Reason.PERSON_OFF
    both = replace(everywhere, choices={**everywhere.choices, (CATEGORY, EMAIL): ON})
    assert decide(KIND, both, EMAIL, NOON).reason == Reason.PERSON_ON


def test_stop_for_every_category_beats_a_choice_for_one() -> None:
    stopped = Made(Setting.OFF, ChoiceVia.STOP)
    person = replace(ANN, choices={("", SMS): stopped, (CATEGORY, SMS): ON})
    assert decide(KIND, person, SMS, NOON).reason == Reason.STOPPED


def test_a_company_s_rule_for_one_category_comes_before_that_for_all() -> None:
    rules = {
        ("", EMAIL): Ruled(RuleSetting.DEFAULT_OFF),
        (CATEGORY, EMAIL): Ruled(RuleSetting.DEFAULT_ON),
    }
    found = decide(KIND, replace(ANN, rules=rules), EMAIL, NOON)
    assert found.reason == Reason.COMPANY_DEFAULT_ON


def test_what_a_person_cannot_change_is_marked_as_locked() -> None:
    assert switch(REQUIRED, ANN, EMAIL).reason in LOCKED
    assert switch(FORBIDDEN, ANN, EMAIL).reason in LOCKED
    assert switch(KIND, ruled(RuleSetting.FORCED_ON), EMAIL).reason in LOCKED
    assert switch(KIND, chose(OFF), EMAIL).reason not in LOCKED


def test_the_last_way_outside_stays_open_if_the_kind_says_so() -> None:
    kind = of(KIND, keeps_one_outside=True)
    person = replace(ANN, choices={(CATEGORY, EMAIL): OFF, (CATEGORY, SMS): OFF})
    found = plan(kind, person, Priority.HIGH, NOON)
    assert {channel: each.reason for channel, each in found.items()} == {
        EMAIL: Reason.KEPT_ONE,
        SMS: Reason.PERSON_OFF,
    }


def test_an_unsubscription_closes_even_the_last_way() -> None:
    kind = of(KIND, keeps_one_outside=True)
    found = plan(kind, chose(UNSUBSCRIBED), Priority.MEDIUM, NOON)
    assert found[EMAIL].reason == Reason.UNSUBSCRIBED


def test_a_text_that_is_switched_off_gives_way_to_an_email() -> None:
    found = plan(KIND, chose(OFF, SMS), Priority.HIGH, NOON)
    assert found[SMS].reason == Reason.PERSON_OFF
    assert found[EMAIL].verdict == Verdict.SEND


def test_a_required_channel_is_taken_beside_those_of_the_priority() -> None:
    assert set(plan(REQUIRED, ANN, Priority.LOW, NOON)) == {EMAIL}


def test_quiet_hours_hold_until_they_are_over() -> None:
    person = replace(ANN, quiet=every_day(time(22), time(7)))
    found = decide(KIND, person, EMAIL, NIGHT)
    assert (found.verdict, found.code) == ("hold", Reason.QUIET_HOURS)
    assert found.until == datetime(2026, 11, 17, 7, tzinfo=UTC)
    assert found.reason == Reason.KIND_DEFAULT_ON


def test_texts_wait_for_the_day_and_emails_do_not() -> None:
    person = replace(ANN, text_quiet=every_day(time(21), time(8)))
    text = decide(KIND, person, SMS, NIGHT, priority=Priority.HIGH)
    assert (text.code, text.until) == (Reason.TEXT_HOURS, datetime(2026, 11, 17, 8, tzinfo=UTC))
    assert decide(KIND, person, EMAIL, NIGHT).verdict == Verdict.SEND


def test_who_sleeps_by_day_gets_texts_in_the_hours_of_their_own() -> None:
    by_night = replace(
        ANN, quiet=every_day(time(6), time(22)), text_quiet=every_day(time(21), time(8))
    )
    assert decide(KIND, by_night, SMS, NIGHT).verdict == Verdict.SEND
    assert decide(KIND, by_night, SMS, NOON).until == datetime(2026, 11, 17, 22, tzinfo=UTC)


def test_quiet_hours_without_an_end_hold_nothing() -> None:
    always = every_day(time(0), time(12)) + every_day(time(12), time(0))
    person = replace(ANN, quiet=always)
    assert decide(KIND, person, EMAIL, NOON).verdict == Verdict.SEND
    found = decide(KIND, replace(person, text_quiet=every_day(time(21), time(8))), SMS, NIGHT)
    assert found.code == Reason.TEXT_HOURS


def test_a_pause_holds_until_its_end() -> None:
    person = replace(ANN, paused_until=NOON + timedelta(hours=1))
    found = decide(KIND, person, EMAIL, NOON)
    assert (found.code, found.until) == (Reason.PAUSED, NOON + timedelta(hours=1))
    over = replace(ANN, paused_until=NOON)
    assert decide(KIND, over, EMAIL, NOON).verdict == Verdict.SEND


def test_a_daily_category_waits_for_the_person_s_hour() -> None:
    person = replace(chose(DAILY), digest_hour=18, zone=ZoneInfo("America/Chicago"))
    found = decide(KIND, person, EMAIL, NOON)
    assert found.code == Reason.DIGEST
    assert found.until == datetime(2026, 11, 18, 0, tzinfo=UTC)
    assert found.reason == Reason.PERSON_ON


@pytest.mark.parametrize("priority", [Priority.URGENT, Priority.HIGH])
def test_what_is_high_or_urgent_waits_for_no_digest(priority: Priority) -> None:
    assert decide(KIND, chose(DAILY), EMAIL, NOON, priority=priority).verdict == Verdict.SEND


def test_a_digest_whose_hour_is_quiet_comes_after_it() -> None:
    person = replace(chose(DAILY), quiet=every_day(time(20), time(10)))
    found = decide(KIND, person, EMAIL, NOON)
    assert found.until == datetime(2026, 11, 18, 10, tzinfo=UTC)


def test_a_digest_is_waited_for_once() -> None:
    assert decide(KIND, chose(DAILY), EMAIL, NOON, served=[Reason.DIGEST]).verdict == Verdict.SEND


def test_a_verification_code_is_never_held() -> None:
    person = replace(
        chose(DAILY),
        quiet=every_day(time(0), time(23)),
        paused_until=NOON + timedelta(days=3),
    )
    code = of(KIND, is_never_held=True, required=frozenset({EMAIL}))
    assert decide(code, person, EMAIL, NOON).verdict == Verdict.SEND


def sent(minutes_ago: int, kind: str = "other") -> Earlier:
    return Earlier(kind, NOON - timedelta(minutes=minutes_ago))


def spread_out(
    earlier: list[Earlier], kind: NotificationKind = KIND, cap: int = 2, **changes: Any
) -> Decision:
    found = Decision(Verdict.SEND, Reason.KIND_DEFAULT_ON)
    values: dict[str, Any] = {"priority": Priority.HIGH, "earlier": earlier, "cap": cap}
    return spread(found, kind, ANN, SMS, NOON, **{**values, **changes})


def test_above_the_cap_a_message_waits_until_one_of_the_hour_is_gone() -> None:
    assert spread_out([sent(50)]).verdict == Verdict.SEND
    found = spread_out([sent(50), sent(20), sent(61)])
    assert (found.code, found.until) == (Reason.CAP, NOON + timedelta(minutes=10))


def test_the_cap_knows_no_urgent_message_no_second_wait_and_no_zero() -> None:
    many = [sent(minute) for minute in range(1, 9)]
    assert spread_out(many, priority=Priority.URGENT).verdict == Verdict.SEND
    assert spread_out(many, served=[Reason.CAP]).verdict == Verdict.SEND
    assert spread_out(many, cap=0).verdict == Verdict.SEND
    assert spread_out(many, of(KIND, is_never_held=True)).verdict == Verdict.SEND


def test_the_first_of_a_burst_goes_and_the_rest_waits_for_the_window_s_end() -> None:
    bundled = of(KIND, bundle=timedelta(minutes=15))
    assert spread_out([sent(5)], bundled, cap=0).verdict == Verdict.SEND
    found = spread_out([sent(5, KIND.name)], bundled, cap=0)
    assert (found.code, found.until) == (Reason.BUNDLE, NOON + timedelta(minutes=10))
    assert spread_out([sent(15, KIND.name)], bundled, cap=0).verdict == Verdict.SEND


def test_what_a_cap_holds_waits_for_the_end_of_the_quiet_hours_too() -> None:
    person = replace(ANN, quiet=every_day(time(12, 5), time(14)))
    found = spread(
        Decision(Verdict.SEND, Reason.PERSON_ON),
        KIND,
        person,
        SMS,
        NOON,
        priority=Priority.HIGH,
        earlier=[sent(30)],
        cap=1,
    )
    assert found.until == datetime(2026, 11, 17, 14, tzinfo=UTC)


def test_what_is_settled_read_or_expired_is_pointless() -> None:
    def told(**values: Any) -> Notification:
        return Notification(visible_from=NOON - timedelta(hours=5), **values)

    short = of(KIND, expires_after=timedelta(hours=4))
    when_read = of(KIND, is_stale_when_read=True)
    cases = {
        Reason.SETTLED: stale(KIND, told(settled_at=AT), NOON),
        Reason.READ: stale(when_read, told(read_at=AT), NOON),
        Reason.EXPIRED: stale(short, told(), NOON),
    }
    for reason, found in cases.items():
        assert found
        assert (found.verdict, found.reason) == (Verdict.SKIP, reason)
    assert set(cases) == set(STALE_REASONS)
    assert stale(KIND, told(read_at=AT), NOON) is None
    assert stale(KIND, told(read_at=AT), NOON, in_digest=True)
    assert stale(short, told(), NOON - timedelta(hours=2)) is None


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_a_text_and_one_meaning(reason: Reason) -> None:
    tables = [table for table in (reasons.SEND, HOLD_REASONS, reasons.SKIP) if reason in table]
    assert len(tables) == 1
    assert len(reason.label) > 8


def test_a_kind_cannot_require_what_it_forbids() -> None:
    with pytest.raises(ValueError, match="requires and forbids email"):
        of(REQUIRED, forbidden=frozenset({EMAIL}))


clocks = st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0))
quiets = st.lists(st.builds(QuietRange, st.integers(0, 6), clocks, clocks), max_size=4).map(tuple)
choices = st.dictionaries(
    st.tuples(st.sampled_from([CATEGORY, ""]), st.sampled_from(Channel)),
    st.builds(Made, st.sampled_from([Setting.OFF, Setting.AT_ONCE]), st.sampled_from(ChoiceVia)),
).map(
    # Once a day is for e-mails.
    lambda found: {
        key: replace(made, setting=Setting.DAILY)
        if key[1] == EMAIL and made.via == ChoiceVia.OFFICE
        else made
        for key, made in found.items()
    }
)
rules = st.dictionaries(
    st.tuples(st.sampled_from([CATEGORY, ""]), st.sampled_from(Channel)),
    st.builds(Ruled, st.sampled_from(RuleSetting)),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
persons = st.builds(
    Person,
    id=st.just(7),
    zone=st.sampled_from(sorted(available_timezones())).map(ZoneInfo),
    unreachable=st.dictionaries(st.sampled_from(Channel), st.sampled_from(reasons.UNREACHABLE)),
    choices=choices,
    rules=rules,
    quiet=quiets,
    text_quiet=st.sampled_from([(), every_day(time(21), time(8))]),
    paused_until=st.none() | moments,
    digest_hour=st.integers(0, 23),
)
channel_sets = st.frozensets(st.sampled_from(Channel))
any_kind = st.builds(
    lambda required, forbidden, default, keeps: of(
        KIND,
        required=required,
        forbidden=forbidden - required,
        default=default,
        keeps_one_outside=keeps,
    ),
    channel_sets,
    channel_sets,
    st.none() | channel_sets,
    st.booleans(),
)


def all_decisions(
    kind: NotificationKind, person: Person, priority: Priority, now: datetime
) -> Iterator[tuple[Channel, Decision]]:
    try:
        quiet_hours.first_allowed(now, person.zone, person.quiet)
    except quiet_hours.NeverAllowed:
        # The account page refuses such ranges.
        person = replace(person, quiet=())
    yield from plan(kind, person, priority, now).items()


def is_free(person: Person, moment: datetime) -> bool:
    try:
        return quiet_hours.first_allowed(moment, person.zone, person.quiet) == moment
    except quiet_hours.NeverAllowed:
        return True


@given(any_kind, persons, moments)
def test_an_urgent_message_is_never_held(
    kind: NotificationKind, person: Person, now: datetime
) -> None:
    for _, found in all_decisions(kind, person, Priority.URGENT, now):
        assert found.verdict != Verdict.HOLD


@given(any_kind, persons, st.sampled_from(Priority), moments)
def test_every_message_is_sent_held_with_a_time_or_skipped_with_a_reason(
    kind: NotificationKind, person: Person, priority: Priority, now: datetime
) -> None:
    found = dict(all_decisions(kind, person, priority, now))
    for each in found.values():
        if each.verdict == Verdict.HOLD:
            assert each.until is not None
            assert each.until > now
            assert each.held_for in HOLD_REASONS
            assert each.reason in reasons.SEND
        else:
            table = reasons.SEND if each.verdict == Verdict.SEND else reasons.SKIP
            assert each.reason in table
            assert each.until is None
            assert each.held_for is None


@given(any_kind, persons, st.sampled_from([Priority.HIGH, Priority.MEDIUM]), moments)
def test_nothing_is_sent_in_quiet_hours_nor_later_than_needed(
    kind: NotificationKind, person: Person, priority: Priority, now: datetime
) -> None:
    for _, found in all_decisions(kind, person, priority, now):
        at = found.until if found.verdict == Verdict.HOLD else now
        assert at is not None
        if found.verdict != Verdict.SKIP:
            assert is_free(person, at)
            assert not (person.paused_until and at < person.paused_until)
        if found.held_for == Reason.QUIET_HOURS and not person.text_quiet:
            assert at == quiet_hours.first_allowed(now, person.zone, person.quiet)


@given(any_kind, persons, st.sampled_from(Priority), moments)
def test_one_way_stays_open_unless_the_law_or_the_phone_closes_it(
    kind: NotificationKind, person: Person, priority: Priority, now: datetime
) -> None:
    kind = of(kind, keeps_one_outside=True, forbidden=frozenset())
    found = dict(all_decisions(kind, person, priority, now))
    closed = {*decisions.LEGAL.values(), *reasons.UNREACHABLE}
    if found and all(each.verdict == Verdict.SKIP for each in found.values()):
        assert {each.reason for each in found.values()} <= closed
    assert set(routing.CHANNELS[priority]) <= set(found) or not found
