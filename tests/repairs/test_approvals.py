"""A manager's first page: what to approve, several at once, and the list of all repairs."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.repairs import services
from apps.repairs.models import Profile, Repair, RepairBatch, RepairEvent, Status
from apps.repairs.views import approvals
from tests.support.repairs import REASON, Cast

Make = Callable[..., Repair]
MakeBatch = Callable[..., RepairBatch]
SEVERAL = "/repairs/approve/"
IN_LIST = {"HX-Request": "true", "HX-Target": "list"}


def as_(profile: Profile) -> Client:
    client = Client()
    client.force_login(profile.user)
    return client


def shown_to(profile: Profile, **query: str) -> str:
    return as_(profile).get("/", query).content.decode()


def rows(shown: str) -> list[str]:
    return re.findall(r'id="((?:repair|batch)-\d+)"', shown)


def statuses() -> list[str]:
    return list(Repair.objects.order_by("pk").values_list("status", flat=True))


def test_the_first_tab_has_what_waits_and_the_second_has_all(cast: Cast, repair: Make) -> None:
    waiting, done = repair(Status.AWAITING_APPROVAL), repair(Status.COMPLETED)
    first, second = shown_to(cast.maria), shown_to(cast.maria, tab="all")
    assert rows(first) == [f"repair-{waiting.pk}"]
    assert done.number not in first
    assert waiting.number in second
    assert done.number in second
    for page in (first, second):
        assert re.search(r'To approve <span class="tally" id="waiting">1<', page)
        assert re.search(r'All <span class="tally">2<', page)


def test_the_sum_is_what_the_managers_are_asked_for(
    cast: Cast, repair: Make, request_batch: MakeBatch
) -> None:
    repair(Status.AWAITING_APPROVAL)
    repair(Status.COST_APPROVAL)
    request_batch("100.00", "50.00")
    repair(Status.COMPLETED)
    assert "4 repairs, <strong>$1,082.50</strong> in all" in shown_to(cast.maria)


def test_the_age_is_the_time_since_the_managers_were_asked(cast: Cast, repair: Make) -> None:
    old, new = repair(Status.AWAITING_APPROVAL), repair(Status.AWAITING_APPROVAL)
    for made, days in ((old, 3), (new, 2)):
        RepairEvent.objects.filter(repair=made, action="submitted").update(
            at=timezone.now() - timedelta(days=days, hours=1)
        )
    # An assignment in between changes the repair, and not since when it waits.
    services.assign(old, cast.tom, by=cast.sam)
    shown = shown_to(cast.maria)
    assert rows(shown) == [f"repair-{old.pk}", f"repair-{new.pk}"]
    assert [age.replace("\xa0", " ") for age in re.findall(r'waited">([^<]+)<', shown)] == [
        "waiting 3 days",
        "waiting 2 days",
    ]


def test_what_was_just_asked_waits_for_less_than_a_minute(cast: Cast, repair: Make) -> None:
    repair(Status.AWAITING_APPROVAL)
    assert "waiting less than a minute<" in shown_to(cast.maria)


def test_a_batch_is_one_row_with_its_sum_and_its_breaks_in_order(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("100.00", "50.00", "75.00")
    shown = shown_to(cast.maria)
    assert rows(shown) == [f"batch-{batch.pk}"]
    assert "Approve all $225.00" in shown
    listed = re.findall(r"<li>Chip, center, (\$[\d.]+)</li>", shown)
    assert listed == ["$100.00", "$50.00", "$75.00"]


def test_a_search_that_finds_one_break_still_shows_the_whole_batch(
    cast: Cast, request_batch: MakeBatch
) -> None:
    batch = request_batch("100.00", "50.00")
    found = batch.repairs.latest("pk")
    shown = shown_to(cast.maria, q=found.number)
    assert "Approve all $150.00" in shown


def test_a_search_narrows_each_tab(cast: Cast, repair: Make) -> None:
    waiting, done = repair(Status.AWAITING_APPROVAL), repair(Status.COMPLETED)
    assert rows(shown_to(cast.maria, q="unit 417 jane")) == [f"repair-{waiting.pk}"]
    nothing = shown_to(cast.maria, q=done.number)
    assert rows(nothing) == []
    assert f"?tab=all&amp;q={done.number}" in nothing
    assert done.get_absolute_url() in shown_to(cast.maria, tab="all", q=done.number)


def test_more_approvals_are_a_click_away_and_no_batch_is_cut(
    cast: Cast, repair: Make, request_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "MOST_APPROVALS", 1)
    batch = request_batch("100.00", "50.00")
    repair(Status.AWAITING_APPROVAL)
    shown = shown_to(cast.maria)
    assert rows(shown) == [f"batch-{batch.pk}"]
    assert "Approve all $150.00" in shown
    assert 'href="/?status=awaiting_approval"' in shown


def selection(*made: Repair | RepairBatch) -> dict[str, list[str]]:
    names = {Status.AWAITING_APPROVAL: "approve", Status.COST_APPROVAL: "approve_cost"}
    return {
        "selected": [
            f"{names[Status(each.status)]}-{each.pk}"
            if isinstance(each, Repair)
            else f"approve_batch-{each.pk}"
            for each in made
        ]
    }


def test_several_are_approved_at_once_each_with_its_own_undo(
    cast: Cast, repair: Make, request_batch: MakeBatch
) -> None:
    one, other = repair(Status.AWAITING_APPROVAL), repair(Status.COST_APPROVAL)
    batch, left = request_batch("100.00", "50.00"), repair(Status.AWAITING_APPROVAL)
    client = as_(cast.maria)
    page = client.post(SEVERAL, selection(one, other, batch), follow=True).content.decode()
    assert "3 approved, $1,082.50 in all." in page
    for words in (
        f"{one.number} is approved: $412.50.",
        f"{other.number} is approved: $520.00.",
        f"{batch.number} is approved: $150.00.",
    ):
        assert words in page
    assert rows(page) == [f"repair-{left.pk}"]
    undos = re.findall(r'action="(/repairs/undo/\d+/)"', page)
    assert len(undos) == 3
    client.post(undos[0])
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.status, other.status) == (Status.AWAITING_APPROVAL, Status.COMPLETED)
    assert set(batch.repairs.values_list("status", flat=True)) == {Status.APPROVED}


def test_what_was_decided_meanwhile_is_reported_and_the_rest_approved(
    cast: Cast, repair: Make
) -> None:
    first, second = repair(Status.AWAITING_APPROVAL), repair(Status.AWAITING_APPROVAL)
    services.deny(first, REASON, by=cast.luis)
    answer = as_(cast.maria).post(
        SEVERAL, {"selected": [f"approve-{first.pk}", f"approve-{second.pk}"]}, follow=True
    )
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f"{first.number} was already denied by Luis Romero" in page
    assert f"{second.number} is approved: $412.50." in page
    assert statuses() == [Status.DENIED, Status.APPROVED]


@pytest.mark.parametrize("selected", ["approve-999", "approve-x", "nonsense", "start-{pk}", ""])
def test_a_forged_selection_changes_nothing(cast: Cast, repair: Make, selected: str) -> None:
    made = repair(Status.APPROVED)
    answer = as_(cast.maria).post(SEVERAL, {"selected": selected.format(pk=made.pk)}, follow=True)
    assert answer.status_code == 200
    assert statuses() == [Status.APPROVED]


def test_nothing_selected_says_so(cast: Cast, repair: Make) -> None:
    repair(Status.AWAITING_APPROVAL)
    page = as_(cast.maria).post(SEVERAL, follow=True).content.decode()
    assert "Nothing was approved: select the repairs first." in page


@pytest.mark.parametrize("name", ["helen", "jane", "sam"])
def test_only_managers_of_the_company_approve_several(cast: Cast, repair: Make, name: str) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    answer = as_(getattr(cast, name)).post(SEVERAL, selection(made), follow=True)
    assert answer.status_code == 200
    assert statuses() == [Status.AWAITING_APPROVAL]


def test_htmx_gets_the_list_the_answers_and_the_counts(cast: Cast, repair: Make) -> None:
    one, left = repair(Status.AWAITING_APPROVAL), repair(Status.AWAITING_APPROVAL)
    fragment = as_(cast.maria).post(SEVERAL, selection(one), headers=IN_LIST).content.decode()
    assert "<html" not in fragment
    assert rows(fragment) == [f"repair-{left.pk}"]
    assert '<div id="flashes" hx-swap-oob="innerHTML">' in fragment
    assert '<span id="waiting" hx-swap-oob="innerHTML">1</span>' in fragment
    assert 'hx-target="closest .flash"' in fragment


def test_the_list_after_an_approval_keeps_to_the_search(cast: Cast, repair: Make) -> None:
    one, other = repair(Status.AWAITING_APPROVAL), repair(Status.AWAITING_APPROVAL)
    given = {**selection(one), "q": one.number}
    fragment = as_(cast.maria).post(SEVERAL, given, headers=IN_LIST).content.decode()
    assert "Nothing that waits for your approval matches." in fragment
    assert rows(fragment) == []
    other.refresh_from_db()
    assert other.status == Status.AWAITING_APPROVAL


def test_an_undo_among_the_answers_replaces_its_own_and_refreshes_the_list(
    cast: Cast, repair: Make
) -> None:
    made = repair(Status.AWAITING_APPROVAL)
    event = services.approve(made, by=cast.maria)
    answer = as_(cast.maria).post(
        reverse("repairs:undo", args=[event.pk]),
        headers={"HX-Request": "true", "HX-Target": "flash-2"},
    )
    assert answer.headers["HX-Trigger"] == '{"repairs-changed": {}}'
    assert f"Undone: {made.number} is awaiting approval again." in answer.content.decode()
    assert rows(answer.content.decode()) == []


def test_the_page_takes_the_same_statements_for_few_and_many(
    cast: Cast,
    repair: Make,
    request_batch: MakeBatch,
    django_assert_num_queries: Callable[..., AbstractContextManager[object]],
) -> None:
    client = as_(cast.maria)

    def fill() -> None:
        repair(Status.AWAITING_APPROVAL)
        repair(Status.COST_APPROVAL)
        request_batch("100.00", "50.00")

    fill()
    with django_assert_num_queries(12):
        client.get("/")
    for _ in range(3):
        fill()
    with django_assert_num_queries(12):
        client.get("/")


def test_a_selection_takes_a_bounded_number_of_statements_for_each(
    cast: Cast,
    repair: Make,
    django_assert_max_num_queries: Callable[..., AbstractContextManager[object]],
) -> None:
    made = [repair(Status.AWAITING_APPROVAL) for _ in range(5)]
    with django_assert_max_num_queries(5 * 45 + 30):
        as_(cast.maria).post(SEVERAL, selection(*made))
    assert statuses() == [Status.APPROVED] * 5
