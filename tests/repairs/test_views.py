import re
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Notification
from apps.repairs import services
from apps.repairs.models import Profile, Repair, RepairBatch, Status
from apps.repairs.views import lists
from tests.support.repairs import ESTIMATE, REASON

HTMX = {"HX-Request": "true"}


def as_(profile: Profile) -> Client:
    client = Client()
    client.force_login(profile.user)
    return client


def page(client: Client, url: str, **query: Any) -> str:
    answer = client.get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


def url(name: str, about: Repair | RepairBatch) -> str:
    return reverse(f"repairs:{name}", args=[about.pk])


def test_each_role_finds_its_own_first_page(cast):
    assert "Redwood Freight" in page(as_(cast.maria), "/")
    assert "My repairs" in page(as_(cast.jane), "/")
    assert "All repairs" in page(as_(cast.sam), "/")


def test_an_anonymous_visitor_is_asked_to_sign_in(client, db):
    assert client.get("/").headers["Location"] == "/login/?next=/"


def test_a_user_without_a_profile_is_told_what_is_missing(client, db):
    client.force_login(get_user_model().objects.create_user("nora"))
    answer = client.get("/")
    assert answer.status_code == 403
    assert "not set up yet" in answer.content.decode()


@pytest.mark.parametrize("name", ["maria", "luis", "jane", "sam"])
def test_a_repair_is_seen_by_its_company_its_technician_and_the_office(cast, repair, name):
    made = repair(Status.AWAITING_APPROVAL)
    assert made.number in page(as_(getattr(cast, name)), made.get_absolute_url())


@pytest.mark.parametrize("name", ["helen", "tom"])
def test_for_other_people_a_repair_does_not_exist(cast, repair, request_batch, name):
    made, batch = repair(Status.AWAITING_APPROVAL), request_batch("100.00", "50.00")
    client = as_(getattr(cast, name))
    assert made.number not in page(client, "/")
    for address in (made.get_absolute_url(), url("deny", made), batch.get_absolute_url()):
        assert client.get(address).status_code == 404
    for action in ("approve", "deny", "estimate", "assign", "start", "complete"):
        assert client.post(url(action, made)).status_code == 404
    assert client.post(url("approve-batch", batch)).status_code == 404
    made.refresh_from_db()
    assert made.status == Status.AWAITING_APPROVAL


@pytest.mark.parametrize("kind", ["repairs", "batches"])
def test_a_number_that_no_database_can_hold_does_not_exist(cast, kind):
    client = as_(cast.jane)
    assert client.get(f"/{kind}/{10**30}/").status_code == 404
    assert client.post(f"/{kind}/{10**30}/approve/").status_code == 404


def test_a_technician_sees_only_the_own_breaks_of_a_batch(cast, request_batch):
    batch = request_batch("100.00", "50.00")
    first, second = batch.repairs.order_by("pk")
    services.assign(second, cast.tom, by=cast.sam)
    shown = page(as_(cast.tom), batch.get_absolute_url())
    assert second.number in shown
    assert first.number not in shown


def test_a_manager_requests_for_the_own_units_only(cast):
    choices = page(as_(cast.maria), reverse("repairs:request"))
    assert f'value="{cast.unit.pk}"' in choices
    assert f'value="{cast.lakeshore_unit.pk}"' not in choices


def test_a_forged_unit_of_another_company_is_refused(cast):
    answer = as_(cast.maria).post(reverse("repairs:request"), one_break(cast.lakeshore_unit))
    assert "Choose the vehicle from the list." in answer.content.decode()
    assert not Repair.objects.exists()


def test_a_manager_approves_and_comes_back_to_the_repair(cast, repair):
    made, client = repair(Status.AWAITING_APPROVAL), as_(cast.maria)
    answer = client.post(url("approve", made))
    assert answer.headers["Location"] == made.get_absolute_url()
    assert f"{made.number} is approved." in page(client, made.get_absolute_url())
    made.refresh_from_db()
    assert made.status == Status.APPROVED


def test_approving_by_htmx_swaps_the_card_and_the_count(cast, repair):
    made, other = repair(Status.AWAITING_APPROVAL), repair(Status.AWAITING_APPROVAL)
    answer = as_(cast.maria).post(
        url("approve", made), headers={**HTMX, "HX-Target": f"repair-{made.pk}"}
    )
    card = answer.content.decode()
    assert answer.status_code == 200
    assert f'id="repair-{made.pk}"' in card
    assert "Approved" in card
    assert '<span id="waiting" hx-swap-oob="innerHTML">1</span>' in card
    assert "<html" not in card
    assert other.number not in card


def test_a_second_approval_shows_who_was_first(cast, repair):
    made = repair(Status.AWAITING_APPROVAL)
    as_(cast.luis).post(url("approve", made))
    client = as_(cast.maria)
    answer = client.post(url("approve", made))
    assert answer.status_code == 302
    shown = page(client, made.get_absolute_url())
    assert f"{made.number} was already approved by Luis Romero" in shown
    assert made.events.filter(action="approved").count() == 1


def test_a_second_approval_by_htmx_shows_the_first_in_the_card(cast, repair):
    made = repair(Status.AWAITING_APPROVAL)
    as_(cast.luis).post(url("approve", made))
    headers = {**HTMX, "HX-Target": f"repair-{made.pk}"}
    answer = as_(cast.maria).post(url("approve", made), headers=headers)
    assert answer.status_code == 200
    assert "already approved by Luis Romero" in answer.content.decode()


def test_a_technician_cannot_approve(cast, repair):
    made, client = repair(Status.AWAITING_APPROVAL), as_(cast.jane)
    client.post(url("approve", made))
    assert "Only a manager of the company may" in page(client, made.get_absolute_url())
    made.refresh_from_db()
    assert made.status == Status.AWAITING_APPROVAL


@pytest.mark.parametrize("reason", ["", "   ", "\u200b\u3164"])
def test_a_denial_without_a_reason_is_refused_at_its_field(cast, repair, reason):
    made = repair(Status.AWAITING_APPROVAL)
    shown = as_(cast.maria).post(url("deny", made), {"reason": reason}).content.decode()
    assert "Give the reason: the technician reads it." in shown
    assert 'aria-invalid="true"' in shown
    made.refresh_from_db()
    assert made.status == Status.AWAITING_APPROVAL


def test_a_denial_keeps_its_reason(cast, repair):
    made, client = repair(Status.AWAITING_APPROVAL), as_(cast.maria)
    client.post(url("deny", made), {"reason": "<b>sold</b>"})
    shown = page(client, made.get_absolute_url())
    assert "&lt;b&gt;sold&lt;/b&gt;" in shown
    assert "<b>sold" not in shown


def test_the_form_of_an_outdated_action_redirects_to_the_repair(cast, repair):
    made = repair(Status.APPROVED)
    assert as_(cast.maria).get(url("deny", made)).headers["Location"] == made.get_absolute_url()


def test_a_batch_is_approved_by_one_button(cast, request_batch):
    batch, client = request_batch("100.00", "50.50"), as_(cast.maria)
    assert "Approve all $150.50" in page(client, batch.get_absolute_url())
    assert "Approve all $150.50" in page(client, "/")
    assert client.post(url("approve-batch", batch)).headers["Location"] == batch.get_absolute_url()
    assert set(batch.repairs.values_list("status", flat=True)) == {Status.APPROVED}
    assert 'data-testid="approve-batch"' not in page(client, batch.get_absolute_url())


def test_a_batch_approved_twice_says_who_was_first(cast, request_batch):
    batch, client = request_batch("100.00", "50.00"), as_(cast.maria)
    as_(cast.luis).post(url("approve-batch", batch))
    client.post(url("approve-batch", batch))
    assert "Luis Romero" in page(client, batch.get_absolute_url()).partition("</main>")[0]


@pytest.mark.parametrize("target", ["batch", "batch-1"])
def test_a_batch_is_approved_from_its_page_and_from_its_card(cast, request_batch, target):
    batch = request_batch("100.00", "50.00")
    answer = as_(cast.maria).post(
        url("approve-batch", batch), headers={**HTMX, "HX-Target": target}
    )
    assert answer.status_code == 200
    assert "<html" not in answer.content.decode()
    assert f"2 breaks of {batch.number} approved." in answer.content.decode()


def test_a_break_of_a_batch_offers_to_approve_the_whole(cast, request_batch):
    repair = request_batch("100.00", "50.00").repairs.first()
    shown = page(as_(cast.maria), repair.get_absolute_url())
    assert "Approve all $150.00" in shown
    assert 'data-testid="approve"' not in shown


def test_the_office_assigns_and_reassigns(cast, request_repair):
    made, client = request_repair(by=cast.sam), as_(cast.sam)
    assert made.number in page(client, "/", technician="nobody")
    for technician in (cast.jane, cast.tom):
        client.post(url("assign", made), {"technician": technician.pk})
        made.refresh_from_db()
        assert made.technician == technician


def test_the_current_technician_is_not_offered_for_reassignment(cast, repair):
    shown = page(as_(cast.sam), url("assign", repair(Status.APPROVED)))
    assert f'value="{cast.tom.pk}"' in shown
    assert f'value="{cast.jane.pk}"' not in shown


def test_a_technician_prices_starts_and_completes(cast, repair):
    made, client = repair(Status.REQUESTED), as_(cast.jane)
    client.post(url("estimate", made), {"amount": "412.5"})
    services.approve(made, by=cast.maria)
    client.post(url("start", made))
    client.post(url("complete", made), {"amount": "398.00"})
    made.refresh_from_db()
    assert made.status == Status.COMPLETED
    assert (made.estimate, made.final_cost) == (Decimal("412.50"), Decimal("398.00"))
    assert "$398.00" in page(client, made.get_absolute_url())


@pytest.mark.parametrize("amount", ["", "-1", "12.345", "100000", "many"])
def test_an_invalid_amount_is_refused_at_its_field(cast, repair, amount):
    made = repair(Status.IN_PROGRESS)
    shown = as_(cast.jane).post(url("complete", made), {"amount": amount}).content.decode()
    assert "errorlist" in shown
    made.refresh_from_db()
    assert made.status == Status.IN_PROGRESS


def test_the_final_cost_defaults_to_the_estimate(cast, repair):
    made = repair(Status.IN_PROGRESS)
    assert f'value="{ESTIMATE}"' in page(as_(cast.jane), made.get_absolute_url())


def test_the_history_tells_everything_newest_first(cast, repair):
    shown = page(as_(cast.maria), repair(Status.COMPLETED).get_absolute_url())
    told = shown.partition('id="history"')[2]
    lines = ["Completed", "Started", "Approved", "Submitted for approval", "Requested"]
    assert sorted(lines, key=told.index) == lines


@pytest.mark.parametrize(
    ("status", "role", "next_action"),
    [
        (Status.REQUESTED, "jane", "estimate"),
        (Status.REQUESTED, "sam", "assign"),
        (Status.AWAITING_APPROVAL, "maria", "approve"),
        (Status.APPROVED, "jane", "start"),
        (Status.IN_PROGRESS, "jane", "complete"),
        (Status.IN_PROGRESS, "sam", "assign"),
    ],
)
def test_a_repair_offers_its_next_action_to_the_right_role(cast, repair, status, role, next_action):
    shown = page(as_(getattr(cast, role)), repair(status).get_absolute_url())
    assert f'data-testid="{next_action}"' in shown


@pytest.mark.parametrize("status", [Status.DENIED, Status.COMPLETED])
@pytest.mark.parametrize("role", ["maria", "jane", "sam"])
def test_a_closed_repair_offers_nothing(cast, repair, status, role):
    shown = page(as_(getattr(cast, role)), repair(status).get_absolute_url())
    assert "What to do next" not in shown


@pytest.mark.parametrize("action", ["approve", "start"])
def test_nothing_is_done_by_get(cast, repair, action):
    made = repair(Status.AWAITING_APPROVAL)
    assert as_(cast.maria).get(url(action, made)).status_code == 405


def test_a_batch_is_not_approved_by_get(cast, request_batch):
    batch = request_batch("100.00")
    assert as_(cast.maria).get(url("approve-batch", batch)).status_code == 405


@pytest.mark.parametrize("action", ["approve", "deny"])
def test_nothing_is_done_without_a_csrf_token(cast, repair, action):
    made, client = repair(Status.AWAITING_APPROVAL), Client(enforce_csrf_checks=True)
    client.force_login(cast.maria.user)
    assert client.post(url(action, made), {"reason": REASON}).status_code == 403
    made.refresh_from_db()
    assert made.status == Status.AWAITING_APPROVAL


def one_break(unit: Any, **changes: Any) -> dict[str, Any]:
    given = {
        "unit": unit.pk,
        "break-TOTAL_FORMS": "1",
        "break-INITIAL_FORMS": "1",
        "break-0-damage": "star_break",
        "break-0-position": "center",
        "break-0-description": "bay 4",
    }
    return {**given, **changes}


SECOND = {"break-TOTAL_FORMS": "2", "break-1-damage": "chip", "break-1-position": "top_edge"}


def test_a_manager_requests_a_repair(cast):
    answer = as_(cast.maria).post(reverse("repairs:request"), one_break(cast.unit))
    made = Repair.objects.get()
    assert answer.headers["Location"] == made.get_absolute_url()
    assert (made.requested_by, made.description, made.batch) == (cast.maria, "bay 4", None)


def test_several_breaks_become_a_batch(cast):
    answer = as_(cast.maria).post(reverse("repairs:request"), one_break(cast.unit, **SECOND))
    batch = RepairBatch.objects.get()
    assert answer.headers["Location"] == batch.get_absolute_url()
    assert batch.repairs.count() == 2


def test_a_technicians_priced_request_is_assigned_to_them(cast):
    given = one_break(cast.unit, **{"break-0-estimate": "120"})
    as_(cast.jane).post(reverse("repairs:request"), given)
    made = Repair.objects.get()
    assert (made.technician, made.status) == (cast.jane, Status.AWAITING_APPROVAL)


def test_an_estimate_from_a_manager_is_ignored(cast):
    given = one_break(cast.unit, **{"break-0-estimate": "1"})
    as_(cast.maria).post(reverse("repairs:request"), given)
    assert Repair.objects.get().status == Status.REQUESTED


@pytest.mark.parametrize("headers", [{}, {**HTMX, "HX-Target": "breaks"}])
def test_adding_a_break_keeps_what_was_typed(cast, headers):
    given = one_break(cast.unit, add="1", **{"break-0-position": ""})
    answer = as_(cast.maria).post(reverse("repairs:request"), given, headers=headers)
    shown = answer.content.decode()
    assert shown.count('data-testid="break"') == 2
    assert "bay 4" in shown
    assert "errorlist" not in shown
    assert ("<html" in shown) is not bool(headers)
    assert not Repair.objects.exists()


def test_a_break_is_removed_and_the_others_move_up(cast):
    given = one_break(cast.unit, **SECOND, remove="0", **{"break-1-description": "second"})
    shown = as_(cast.maria).post(reverse("repairs:request"), given).content.decode()
    assert shown.count('data-testid="break"') == 1
    assert "second" in shown
    assert "bay 4" not in shown


def test_each_missing_field_of_each_break_shows_its_error(cast):
    given = {"break-TOTAL_FORMS": "2", "break-INITIAL_FORMS": "1", "break-0-damage": "chip"}
    shown = as_(cast.maria).post(reverse("repairs:request"), given).content.decode()
    summary, _, fields = shown.partition("</section>")
    for part in (summary, fields):
        assert part.count("Choose the place.") == 2
        assert part.count("Choose what comes nearest.") == 1
        assert part.count("Choose the vehicle.") == 1
    assert "4 things are missing or wrong" in summary
    assert '<a href="#id_break-1-position_0">Break 2, Where is it? Choose the place.</a>' in summary
    assert 'id="id_break-1-position_0"' in fields
    assert 'aria-describedby="id_break-1-position_help id_break-1-position_error"' in fields
    assert 'id="id_break-1-position_error"' in fields


@pytest.mark.parametrize("breaks", ["0", "-1", "x", "999", "9" * 5000, ""])
def test_a_forged_number_of_breaks_is_limited(cast, breaks):
    answer = as_(cast.maria).post(
        reverse("repairs:request"), one_break(cast.unit, **{"break-TOTAL_FORMS": breaks}, add="1")
    )
    assert 1 <= answer.content.decode().count('data-testid="break"') <= 10


def rows(shown: str) -> int:
    return shown.count('data-testid="repair-row"')


@pytest.mark.parametrize(
    ("words", "found"), [("417", 1), ("62091", 2), ("{number}", 1), ("{bare}", 1), ("zzz", 0)]
)
def test_the_office_searches_by_unit_plate_and_number(cast, repair, request_repair, words, found):
    made = repair(Status.APPROVED)
    request_repair(by=cast.sam, unit=cast.lakeshore_unit)
    words = words.format(number=made.number.lower(), bare=made.number.removeprefix("R-"))
    assert rows(page(as_(cast.sam), "/", q=words)) == found


def test_a_search_for_a_batch_finds_its_breaks(cast, request_batch, request_repair):
    batch = request_batch("100.00", "50.00")
    request_repair()
    assert rows(page(as_(cast.sam), "/", q=batch.number)) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"q": "R-99999999999999999999999"},
        {"q": "%_'\""},
        {"status": "nonsense", "company": "x", "technician": "-1"},
        {"page": "999"},
        {"page": "x"},
    ],
)
def test_an_invalid_query_is_ignored(cast, repair, query):
    repair(Status.APPROVED)
    page(as_(cast.sam), "/", **query)


def test_the_office_narrows_by_company_state_and_technician(cast, repair, request_repair):
    repair(Status.APPROVED)
    request_repair(by=cast.sam, unit=cast.lakeshore_unit)
    client = as_(cast.sam)
    assert rows(page(client, "/")) == 2
    assert rows(page(client, "/", company=cast.redwood.pk)) == 1
    assert rows(page(client, "/", status="approved")) == 1
    assert rows(page(client, "/", technician=cast.jane.pk)) == 1
    assert rows(page(client, "/", technician="nobody")) == 1


def numbers(shown: str) -> list[str]:
    return re.findall(r"<p class=\"soft\">([RB]-\d+)", shown)


def test_the_office_sees_the_longest_unassigned_then_the_last_changed(cast, request_repair, repair):
    changed, untouched = request_repair(estimate=ESTIMATE), repair(Status.REQUESTED)
    oldest, newer = request_repair(by=cast.sam), request_repair(by=cast.maria)
    services.approve(changed, by=cast.maria)
    shown = page(as_(cast.sam), "/")
    assert numbers(shown) == [each.number for each in (oldest, newer, changed, untouched)]
    assert "2 without a technician" in shown


@pytest.mark.parametrize("name", ["maria", "jane", "sam"])
def test_a_list_is_sorted_by_the_time_that_it_shows(cast, repair, request_repair, name):
    old, new = repair(Status.COMPLETED), repair(Status.COMPLETED)
    Repair.objects.filter(pk=old.pk).update(updated_at=timezone.now())
    Repair.objects.filter(pk=new.pk).update(updated_at=timezone.now() - timedelta(days=1))
    shown = page(as_(getattr(cast, name)), "/", status="completed").partition('id="list"')[2]
    assert numbers(shown) == [old.number, new.number]
    times = re.findall(r'datetime="([^"]+)"', shown)
    assert times == sorted(times, reverse=True)


def test_htmx_gets_the_list_alone(cast, repair):
    made = repair(Status.APPROVED)
    headers = {**HTMX, "HX-Target": "list"}
    answer = as_(cast.maria).get("/", {"status": "approved"}, headers=headers)
    assert made.number in answer.content.decode()
    assert "<html" not in answer.content.decode()
    assert "HX-Request" in answer.headers["Vary"]


@pytest.mark.parametrize("name", ["maria", "jane", "sam"])
def test_the_number_of_filtered_repairs_is_announced(cast, repair, name):
    repair(Status.COMPLETED)
    headers = {**HTMX, "HX-Target": "list"}
    client = as_(getattr(cast, name))
    shown = client.get("/", {"status": "completed"}, headers=headers).content.decode()
    assert 'id="announcements" hx-swap-oob="innerHTML">1 repair<' in shown
    assert "hx-swap-oob" not in page(client, "/")


def test_a_technicians_page_groups_by_what_to_do_next(cast, repair):
    for status in Status:
        repair(status)
    shown = page(as_(cast.jane), "/")
    groups = ["Finish", "Start", "Look and price", "Wait"]
    headings = [*(f"<h2>{group}</h2>" for group in groups), '<h2 id="others">Closed</h2>']
    assert sorted(headings, key=shown.index) == headings


@pytest.mark.parametrize("name", ["maria", "jane", "sam"])
def test_empty_lists_say_so(cast, name):
    shown = page(as_(getattr(cast, name)), "/")
    assert any(words in shown for words in ("No repairs yet", "Nothing to do right now"))


def test_long_lists_are_paginated(cast, request_repair):
    for _ in range(26):
        request_repair()
    client = as_(cast.sam)
    assert rows(page(client, "/")) == 25
    assert rows(page(client, "/", page=2)) == 1
    assert "?status=requested&amp;page=2" in page(client, "/", status="requested")


@pytest.mark.parametrize("name", ["maria", "jane", "sam"])
def test_a_list_needs_the_same_queries_for_few_repairs_and_many(
    cast, repair, request_batch, name, django_assert_num_queries
):
    def fill() -> None:
        for status in Status:
            repair(status)
        request_batch("100.00", "50.00")

    fill()
    client = as_(getattr(cast, name))
    with django_assert_num_queries({"maria": 12, "jane": 14, "sam": 12}[name]) as few:
        client.get("/")
    fill()
    fill()
    with django_assert_num_queries(len(few)):
        client.get("/")


@pytest.mark.parametrize(("name", "queries"), [("maria", 12), ("sam", 11)])
def test_a_batch_needs_the_same_queries_for_few_breaks_and_many(
    cast, request_batch, name, queries, django_assert_num_queries
):
    few, many = request_batch("1.00", "2.00"), request_batch(*["1.00"] * 8)
    client = as_(getattr(cast, name))
    with django_assert_num_queries(queries) as captured:
        client.get(few.get_absolute_url())
    with django_assert_num_queries(len(captured)):
        client.get(many.get_absolute_url())


def test_a_technician_with_many_repairs_gets_the_first_of_each_group(cast, repair, monkeypatch):
    monkeypatch.setattr(lists, "MOST_OF_A_GROUP", 2)
    first, second, third = (repair(Status.APPROVED) for _ in range(3))
    shown = page(as_(cast.jane), "/")
    assert shown.count('data-testid="repair-card"') == 2
    assert "show-more" not in shown
    assert third.number not in shown
    assert "All 3 of these" in shown
    rest = page(as_(cast.jane), "/", status="approved").partition('id="list"')[2]
    assert all(each.number in rest for each in (first, second, third))


def test_a_technicians_group_folds_after_five(cast, repair):
    made = [repair(Status.APPROVED) for _ in range(7)]
    shown, _, folded = page(as_(cast.jane), "/").partition('<details class="folded">')
    assert 'data-testid="show-more">Show 2 more<' in folded
    assert [each.number in shown for each in made] == [True] * 5 + [False] * 2
    assert [each.number in folded for each in made[5:]] == [True] * 2


def test_the_first_page_of_a_technician_stays_small(cast, repair):
    for status in (Status.APPROVED, Status.AWAITING_APPROVAL, Status.COMPLETED):
        made = repair(status)
        Repair.objects.bulk_create(
            Repair(
                unit=made.unit,
                damage=made.damage,
                position=made.position,
                status=status,
                technician=cast.jane,
                requested_by=cast.jane,
                estimate=made.estimate,
                final_cost=made.final_cost,
            )
            for _ in range(500)
        )
    assert len(page(as_(cast.jane), "/")) < 150_000


@pytest.mark.parametrize("name", ["maria", "sam"])
def test_a_batchs_page_keeps_the_order_of_its_breaks(cast, request_batch, name):
    batch = request_batch("100.00", "50.00", "75.00")
    keys = list(batch.repairs.order_by("pk").values_list("pk", flat=True))
    shown = page(as_(getattr(cast, name)), batch.get_absolute_url())
    assert list(map(int, re.findall(r'<a[^>]* href="/repairs/(\d+)/"', shown))) == keys


def test_a_request_sent_twice_with_its_token_is_made_once(cast):
    given, client = one_break(cast.unit, token=str(uuid4())), as_(cast.maria)
    first, second = (client.post(reverse("repairs:request"), given | {"again": "1"}) for _ in "ab")
    made = Repair.objects.get()
    assert first.headers["Location"] == second.headers["Location"] == made.get_absolute_url()
    assert f"{made.number} was already requested." in page(client, made.get_absolute_url())


def test_a_batch_sent_twice_with_its_token_is_made_once(cast):
    given = one_break(cast.unit, token=str(uuid4()), again="1", **SECOND)
    for _ in range(2):
        as_(cast.maria).post(reverse("repairs:request"), given)
    assert RepairBatch.objects.get().repairs.count() == Repair.objects.count() == 2


def test_each_request_page_has_its_own_token_and_keeps_it(cast):
    client = as_(cast.maria)

    def token(shown: str) -> str:
        found = re.search(r'name="token" value="([^"]+)"', shown)
        assert found
        return found[1]

    first, second = (token(page(client, reverse("repairs:request"))) for _ in "ab")
    assert first != second
    for change in ({"add": "1"}, {}):
        answer = client.post(reverse("repairs:request"), {"token": first, **change})
        assert token(answer.content.decode()) == first


def test_the_same_break_within_an_hour_is_requested_only_after_a_warning(cast, request_repair):
    made = request_repair(by=cast.jane, position="center")
    client, given = as_(cast.maria), one_break(cast.unit)
    shown = client.post(reverse("repairs:request"), given).content.decode()
    assert 'data-testid="same-break"' in shown
    assert f'<a href="{made.get_absolute_url()}">{made.number}</a>' in shown
    assert "by Jane Ortiz" in shown
    assert "bay 4" in shown
    assert Repair.objects.count() == 1
    client.post(reverse("repairs:request"), {**given, "again": "1"})
    assert Repair.objects.count() == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"created_at": timezone.now() - timedelta(minutes=61)},
        {"position": "top_edge"},
        {"damage": "chip"},
        {"status": Status.DENIED, "denial_reason": "no", "estimate": 1},
    ],
)
def test_another_break_is_requested_without_a_warning(cast, request_repair, changes):
    made = request_repair(position="center")
    Repair.objects.filter(pk=made.pk).update(**changes)
    as_(cast.maria).post(reverse("repairs:request"), one_break(cast.unit))
    assert Repair.objects.count() == 2


def test_the_warning_links_only_repairs_that_the_reader_may_open(cast, request_repair):
    made = request_repair(by=cast.jane, position="center")
    answer = as_(cast.tom).post(reverse("repairs:request"), one_break(cast.unit))
    shown = answer.content.decode()
    assert made.number in shown
    assert made.get_absolute_url() not in shown


@pytest.mark.parametrize(
    ("given", "focused", "said"),
    [
        ({"add": "1"}, 2, "Break 2 added."),
        ({**SECOND, "remove": "0"}, 1, "Break 1 removed. 1 break left."),
        ({**SECOND, "restore": "1"}, None, ""),
    ],
)
def test_a_changed_number_of_breaks_is_focused_and_announced(cast, given, focused, said):
    headers = {**HTMX, "HX-Target": "breaks"}
    answer = as_(cast.maria).post(
        reverse("repairs:request"), one_break(cast.unit, **given), headers=headers
    )
    shown = answer.content.decode()
    breaks = shown.split('data-testid="break"')[1:]
    autofocus = [n for n, each in enumerate(breaks, start=1) if "autofocus" in each]
    assert autofocus == ([focused] if focused else [])
    assert (f'hx-swap-oob="innerHTML">{said}<' in shown) is bool(said)


def test_a_page_shows_who_wrote_a_reason_and_a_description(cast, request_repair):
    made = request_repair(estimate=ESTIMATE, description="https://evil.example/x")
    services.deny(made, "Too dear, see www.evil.example", by=cast.maria)
    shown = page(as_(cast.jane), made.get_absolute_url())
    assert re.search(r"www.evil.example</dd><dd class=\"by\">Maria Alvarez wrote this", shown)
    assert re.search(r"evil.example/x</dd><dd class=\"by\">Jane Ortiz wrote this", shown)
    assert not re.search(r'href="[^"]*evil', shown)


def test_browsers_are_told_not_to_keep_a_page(cast, repair):
    made = repair(Status.AWAITING_APPROVAL)
    for path in ("/", made.get_absolute_url(), url("deny", made), reverse("repairs:request")):
        assert as_(cast.maria).get(path).headers["Cache-Control"] == "no-store, private"


# --- Where a repair went ------------------------------------------------------------------------
def test_the_former_technicians_link_says_who_has_the_repair(cast, repair):
    made, client = repair(Status.APPROVED), as_(cast.jane)
    services.assign(made, cast.tom, by=cast.sam)
    shown = page(client, made.get_absolute_url())
    assert "Tom Becker has it now" in shown
    assert made.number in shown
    assert "Sam Whitaker gave this repair to another technician" in shown
    assert made.unit.plate not in shown
    for action in ("start", "complete", "estimate"):
        assert client.post(url(action, made)).status_code == 403
    made.refresh_from_db()
    assert made.status == Status.APPROVED


def test_a_repair_that_went_twice_names_the_technician_who_has_it(cast, repair):
    made = repair(Status.APPROVED)
    services.assign(made, cast.tom, by=cast.sam)
    services.assign(made, cast.jane, by=cast.sam)
    assert "Jane Ortiz has it now" in page(as_(cast.tom), made.get_absolute_url())
    assert 'data-testid="start"' in page(as_(cast.jane), made.get_absolute_url())


# --- What is read -------------------------------------------------------------------------------
def unread(profile):
    return Notification.objects.visible_to(profile.user).unread().count()


def test_opening_a_repair_reads_the_messages_about_it(cast, repair):
    made, other = repair(Status.AWAITING_APPROVAL), repair(Status.AWAITING_APPROVAL)
    client = as_(cast.maria)
    assert unread(cast.maria) == 2
    shown = page(client, made.get_absolute_url())
    # The bell still counts both: they wait for her.
    assert re.search(r'data-testid="bell-count">2<', shown)
    assert (unread(cast.maria), unread(cast.luis)) == (1, 2)
    page(client, other.get_absolute_url())
    assert unread(cast.maria) == 0


def test_opening_a_batch_reads_the_messages_about_it(cast, request_batch):
    batch = request_batch("100.00", "50.00")
    page(as_(cast.maria), batch.get_absolute_url())
    assert unread(cast.maria) == 0


def test_a_page_that_nobody_looks_at_reads_nothing(cast, repair):
    made, client = repair(Status.AWAITING_APPROVAL), as_(cast.maria)
    client.head(made.get_absolute_url())
    client.get(made.get_absolute_url(), headers={"Sec-Purpose": "prefetch;prerender"})
    page(client, "/")
    assert unread(cast.maria) == 1


def test_the_former_technician_reads_where_the_repair_went(cast, repair):
    made = repair(Status.APPROVED)
    services.assign(made, cast.tom, by=cast.sam)
    page(as_(cast.jane), made.get_absolute_url())
    assert unread(cast.jane) == 0


# --- Costs --------------------------------------------------------------------------------------
def test_a_cost_above_the_estimate_asks_for_its_reason_at_the_field(cast, repair):
    made, client = repair(Status.IN_PROGRESS), as_(cast.jane)
    shown = client.post(url("complete", made), {"amount": "430"}).content.decode()
    assert "Give the reason: the managers read it." in shown
    assert 'value="430"' in shown
    client.post(url("complete", made), {"amount": "430", "reason": "A second leg."})
    shown = page(client, made.get_absolute_url())
    assert f"{made.number} is completed." in shown
    assert "$430.00 instead of $412.50" in shown
    assert "A second leg." in shown


def test_a_manager_decides_on_a_higher_cost_on_the_page_and_on_the_card(cast, repair):
    made, client = repair(Status.COST_APPROVAL), as_(cast.maria)
    for path in (made.get_absolute_url(), "/"):
        shown = page(client, path)
        assert "Approve $520.00" in shown
        assert url("deny-cost", made) in shown
    client.post(url("approve-cost", made))
    shown = page(client, made.get_absolute_url())
    assert f"$520.00 for {made.number} is approved. The work was already done: the" in shown


def test_a_higher_cost_is_denied_with_a_reason(cast, repair):
    made, client = repair(Status.COST_APPROVAL), as_(cast.maria)
    assert "asks for $520.00" in page(client, url("deny-cost", made))
    assert "Give the reason" in client.post(url("deny-cost", made), {}).content.decode()
    client.post(url("deny-cost", made), {"reason": REASON})
    made.refresh_from_db()
    assert made.status == Status.IN_PROGRESS


def test_a_technician_who_waits_for_the_cost_sees_it(cast, repair):
    made = repair(Status.COST_APPROVAL)
    assert "Wait for the cost" in page(as_(cast.jane), "/")
    assert "Awaiting cost approval" in page(as_(cast.jane), made.get_absolute_url())


def test_a_higher_cost_in_a_batch_has_its_own_card(cast, request_batch):
    batch = request_batch("100.00", "50.00", "20.00")
    one, two, _ = batch.repairs.order_by("pk")
    services.deny(two, REASON, by=cast.maria)
    services.approve_batch(batch, by=cast.maria)
    one.refresh_from_db()
    services.start(one, by=cast.jane)
    services.complete(one, Decimal("300"), by=cast.jane, reason=REASON)
    shown = page(as_(cast.maria), "/")
    assert "Approve $300.00" in shown
    assert 'data-testid="batch-card"' not in shown


# --- The office's number ------------------------------------------------------------------------
def test_every_page_says_how_to_call_the_office(cast, repair, settings):
    settings.OFFICE_PHONE = "+1 (202) 555-0199"
    for path in ("/", repair(Status.DENIED).get_absolute_url(), reverse("repairs:request")):
        assert 'href="tel:+12025550199"' in page(as_(cast.jane), path)
    settings.OFFICE_PHONE = ""
    assert "tel:" not in page(as_(cast.jane), "/")
