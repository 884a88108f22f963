"""A manager's approvals, a new fleet, finding a vehicle and the offline page, in a browser."""

import re
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.support.browsing import LAPTOP, PHONE, SignIns, check_page
from tests.support.pictures import of_a_phone
from tools.processes import wait_until
from tools.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

every_size = pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
with_and_without_javascript = pytest.mark.parametrize(
    "javascript", [True, False], ids=["javascript", "no-javascript"]
)
NUMBERS = count(1)
#: A manager with a long name, and repairs that a technician of the demo has priced.
FLEET = """
from decimal import Decimal
from django.contrib.auth import get_user_model
from apps.repairs import requesting
from apps.repairs.models import Company, Damage, FleetUnit, Position, Profile, Role
company = Company.objects.create(name={company!r})
user = get_user_model().objects.create_user(
    {manager!r}, first_name="Maximiliana", last_name="Featherston", password="demo"
)
Profile.objects.create(user=user, role=Role.MANAGER, company=company)
jane = Profile.objects.get(user__username="jane")
for n in range({repairs}):
    unit = FleetUnit.objects.create(
        company=company, number=f"{{700 + n}}", description="2022 Volvo VNR", plate=f"P {{n}}"
    )
    requesting.request_repair(
        by=jane,
        unit=unit,
        damage=Damage.CHIP,
        position=Position.CENTER,
        estimate=Decimal("100.50"),
    )
"""


def new_fleet(stack: Stack, *, repairs: int) -> tuple[str, str]:
    """Create a company; return its name and its manager's."""
    number = next(NUMBERS)
    company, manager = f"Northwind Haulers {number}", f"manager{number}"
    stack.shell(FLEET.format(company=company, manager=manager, repairs=repairs))
    return company, manager


def check(page: Page, *, javascript: bool = True) -> None:
    check_page(page, ".button, .tab, summary, .pick", javascript=javascript)


@every_size
@with_and_without_javascript
def test_a_photo_reaches_the_manager_s_page(
    stack: Stack,
    sign_in: SignIns,
    size: ViewportSize,
    javascript: bool,
    tmp_path: Path,
) -> None:
    _, manager = new_fleet(stack, repairs=1)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(of_a_phone((1200, 900)))
    address = sign_in(manager).locator(".approval .cover").get_attribute("href")
    assert address
    page = sign_in("jane", size=size, javascript=javascript)
    page.goto(address)
    page.get_by_label("Photo of the damage").set_input_files(photo)
    check(page, javascript=javascript)
    page.get_by_test_id("add-photo").click()
    expect(page.locator("#flashes")).to_contain_text("The photo is added.")
    expect(page.locator(".photos .thumb")).to_have_count(1)
    check(page, javascript=javascript)
    page = sign_in(manager, size=size, javascript=javascript)
    expect(page.locator(".approval .thumb")).to_have_count(1)
    check(page, javascript=javascript)
    page.locator(".approval .cover").click()
    shown = page.locator(".photos .thumb")
    expect(shown).to_have_attribute("alt", "Damage: Chip, center")
    wait_until(lambda: shown.evaluate("photo => photo.naturalWidth") == 640, "the photo is loaded")
    check(page, javascript=javascript)


def test_a_photo_too_large_is_taken_back_and_a_draft_is_kept_without_it(
    stack: Stack, sign_in: SignIns, tmp_path: Path
) -> None:
    page = sign_in("jane")
    page.goto("/repairs/new/")
    field = page.get_by_label("Photo of the damage")
    large = tmp_path / "large.jpg"
    large.write_bytes(b"\xff" * (10 * 1024 * 1024 + 1))
    field.set_input_files(large)
    expect(page.get_by_text("The photo is larger than 10 MB.")).to_be_visible()
    assert field.input_value() == ""
    small = tmp_path / "small.jpg"
    small.write_bytes(of_a_phone())
    field.set_input_files(small)
    page.get_by_test_id("add-break").click()
    expect(page.get_by_test_id("break")).to_have_count(2)
    assert field.input_value().endswith("small.jpg")
    page.get_by_test_id("send-request").click()
    lost = page.get_by_text("Choose the photo again: it was not kept.")
    expect(lost).to_be_visible()
    check(page)
    page.goto("/repairs/new/")
    expect(lost).to_be_hidden()
    field.set_input_files(small)
    page.context.clear_cookies(name="sessionid")
    page.get_by_test_id("send-request").click()
    page.get_by_label("Username").fill("jane")
    page.get_by_label("Password").fill("demo")
    page.get_by_test_id("sign-in").click()
    expect(lost).to_be_visible()


@every_size
@with_and_without_javascript
def test_five_are_approved_at_once_and_one_is_taken_back(
    stack: Stack, sign_in: SignIns, size: ViewportSize, javascript: bool
) -> None:
    _, manager = new_fleet(stack, repairs=6)
    page = sign_in(manager, size=size, javascript=javascript)
    expect(page.get_by_test_id("waiting-total")).to_contain_text("6 repairs, $603.00 in all")
    check(page, javascript=javascript)
    expect(page.get_by_test_id("approve-several")).to_be_hidden()
    for n in range(5):
        page.get_by_test_id("select").nth(n).check()
    button = page.get_by_test_id("approve-several")
    if javascript:
        expect(button).to_have_text("Approve 5 selected, $502.50")
    check(page, javascript=javascript)
    button.click()
    flashes = page.locator("#flashes")
    expect(flashes).to_contain_text("5 approved, $502.50 in all.")
    expect(flashes.get_by_test_id("undo")).to_have_count(5)
    expect(page.get_by_test_id("repair-card")).to_have_count(1)
    expect(page.locator("#waiting")).to_have_text("1")
    check(page, javascript=javascript)
    if javascript:
        flashes.get_by_test_id("undo").nth(2).click()
        expect(flashes).to_contain_text("is awaiting approval again.")
        expect(flashes.get_by_test_id("undo")).to_have_count(4)
    else:
        flashes.get_by_test_id("undo").nth(2).click()
        expect(page.locator("#flashes")).to_contain_text("is awaiting approval again.")
        page.goto("/")
    expect(page.get_by_test_id("repair-card")).to_have_count(2)
    expect(page.locator("#waiting")).to_have_text("2")


def test_what_another_manager_decided_meanwhile_is_said(stack: Stack, sign_in: SignIns) -> None:
    _, manager = new_fleet(stack, repairs=3)
    slow, quick = sign_in(manager), sign_in(manager, size=LAPTOP)
    quick.get_by_test_id("repair-card").first.get_by_test_id("approve").click()
    expect(quick.get_by_test_id("state")).to_contain_text("Approved")
    slow.get_by_label("Select all").check()
    slow.get_by_test_id("approve-several").click()
    expect(slow.locator("#flashes")).to_contain_text("was already approved by Maximiliana")
    expect(slow.locator("#flashes")).to_contain_text("2 approved, $201.00 in all.")
    expect(slow.get_by_text("Nothing waits for your approval.")).to_be_visible()


def test_the_list_narrows_while_one_types(stack: Stack, sign_in: SignIns) -> None:
    _, manager = new_fleet(stack, repairs=3)
    page = sign_in(manager, size=LAPTOP)
    page.get_by_label("Unit, plate, person or damage").fill("unit 701 JANE chip")
    expect(page.get_by_test_id("repair-card")).to_have_count(1)
    expect(page.locator("#announcements")).to_have_text("1 to approve")
    page.get_by_label("Unit, plate, person or damage").fill("crack")
    expect(page.get_by_text("No match")).to_be_visible()
    check(page)


@every_size
def test_a_batch_is_denied_with_one_reason(sign_in: SignIns, size: ViewportSize) -> None:
    page = sign_in("maria", size=size)
    page.get_by_test_id("batch-card").get_by_test_id("deny-batch").click()
    check(page)
    page.get_by_label("Why not?").fill("The truck is sold.")
    page.get_by_test_id("deny-batch").click()
    expect(page.locator("#flashes")).to_contain_text("is denied.")
    for state in page.get_by_test_id("state").all():
        expect(state).to_contain_text("Denied")
    page.get_by_test_id("undo").click()
    expect(page.get_by_test_id("approve-batch")).to_be_visible()


@every_size
@with_and_without_javascript
def test_the_manager_of_a_new_fleet_files_its_first_repair(
    stack: Stack, sign_in: SignIns, size: ViewportSize, javascript: bool
) -> None:
    company, manager = new_fleet(stack, repairs=0)
    page = sign_in(manager, size=size, javascript=javascript)
    expect(page.get_by_test_id("new-fleet")).to_contain_text("Your fleet is new here")
    check(page, javascript=javascript)
    page.get_by_role("link", name="Request the first repair").click()
    check(page, javascript=javascript)
    page.get_by_label("Unit number").fill("A-7")
    page.get_by_label("Year, make and model").fill("2024 Volvo VNR")
    page.get_by_label("License plate").fill("TX 90210")
    page.get_by_label("Bottom edge").check()
    page.get_by_label("Crack").check()
    page.get_by_test_id("send-request").click()
    page.wait_for_url(re.compile(r"/repairs/\d+/$"))
    expect(page.locator(".facts")).to_contain_text("2024 Volvo VNR")
    expect(page.locator(".facts")).to_contain_text(company)
    page.goto("/?tab=all")
    expect(page.get_by_test_id("repair-row")).to_have_count(1)
    check(page, javascript=javascript)


def test_a_technician_files_the_first_repair_of_a_new_fleet(stack: Stack, sign_in: SignIns) -> None:
    company, manager = new_fleet(stack, repairs=0)
    page = sign_in("jane")
    page.goto("/repairs/new/")
    page.get_by_test_id("new-vehicle").click()
    check(page)
    page.get_by_label("Company").select_option(label=company)
    page.get_by_label("Unit number", exact=True).fill("12")
    page.get_by_label("Year, make and model").fill("2024 Hino L6")
    page.get_by_label("License plate").fill("TX 1")
    page.get_by_label("Bottom edge").check()
    page.get_by_label("Crack").check()
    page.get_by_label("Estimate").fill("77")
    page.get_by_test_id("send-request").click()
    page.wait_for_url(re.compile(r"/repairs/\d+/$"))
    theirs = sign_in(manager)
    expect(theirs.get_by_test_id("repair-card")).to_contain_text("Approve $77.00")


def test_a_vehicle_is_found_by_its_number(sign_in: SignIns) -> None:
    page = sign_in("jane")
    page.goto("/repairs/new/")
    find = page.get_by_label("Find by unit number")
    expect(find).to_have_attribute("inputmode", "numeric")
    find.fill("417")
    expect(page.locator("#id_unit option:checked")).to_contain_text("Unit 417")
    page.get_by_role("button", name="Keyboard with letters").click()
    expect(find).to_have_attribute("inputmode", "text")
    expect(find).to_be_focused()
    find.fill("d2")
    expect(page.locator("#id_unit option:checked")).to_contain_text("Lakeshore Dairy: Unit D2")
    find.fill("none")
    expect(page.locator("#announcements")).to_have_text("No vehicle has this number.")
    expect(page.locator(".find-unit")).to_contain_text("No vehicle has this number.")
    expect(page.locator("[data-missing]")).to_be_visible()
    check(page)


@every_size
def test_the_spend_page_and_its_csv(sign_in: SignIns, size: ViewportSize) -> None:
    page = sign_in("maria", size=size)
    page.get_by_test_id("spend").click()
    expect(page.get_by_test_id("spend-total")).to_contain_text("$")
    check(page)
    with page.expect_download() as download:
        page.get_by_test_id("spend-csv").click()
    assert download.value.suggested_filename.endswith(".csv")


def test_without_a_network_the_offline_page_is_shown(sign_in: SignIns) -> None:
    page = sign_in("maria")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    page.context.set_offline(True)
    page.goto("/spend/")
    expect(page.get_by_test_id("offline")).to_contain_text("This device is offline")
    kept = page.evaluate(
        "caches.keys().then(names => Promise.all(names.map(name => caches.open(name)"
        ".then(cache => cache.keys()))))"
        ".then(all => all.flat().map(request => new URL(request.url).pathname))"
    )
    assert sorted(kept) == ["/brand.css", "/offline/", "/static/app.css", "/static/icons.svg"]
    page.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Redwood Freight")).to_be_visible()
