"""The costs page in a browser: a phone and a laptop, with and without scripts."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ViewportSize

from tests.support.browsing import LAPTOP, PHONE, SignIns
from tools.stack import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.services]

#: A month as a busy one looks, with a company whose name is one long word.
BUSY_MONTH = """
from decimal import Decimal
from datetime import timedelta
from apps.core.guards import sms_budget
from apps.core.costs import tally
from apps.core.models import CostTally, SMSSpend
from apps.repairs.models import Company
tally.count()
long = Company.objects.create(name="Wolfeschlegelsteinhause")
groups = ["", *(f"company:{each.pk}" for each in Company.objects.all())]
month = sms_budget.this_month()
kinds = ["repair_approved", "repair_pending_approval", "repair_completed", "announcement"]
for first, factor in ((month, 3), ((month - timedelta(days=1)).replace(day=1), 2)):
    for n, kind in enumerate(kinds):
        for m, group in enumerate(groups):
            count = factor * (1234 - 200 * n - 90 * m)
            CostTally.objects.create(
                day=first, channel="email", kind=kind, group=group, messages=count)
            for country, price in (("US", "0.00645"), ("CA", "0.0075")) if n < 3 else ():
                texts = count // 9 if country == "US" else count // 200
                CostTally.objects.create(day=first, channel="sms", kind=kind, group=group,
                    country=country, messages=texts, parts=texts + texts // 5,
                    usd=Decimal(price) * (texts + texts // 5))
    spent = Decimal("9.8") * factor
    SMSSpend.objects.update_or_create(month=first, defaults={"committed_usd": spent})
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        running.shell(BUSY_MONTH)
        yield running


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_the_office_reads_and_saves_the_costs(
    sign_in: SignIns, size: ViewportSize, javascript: bool
) -> None:
    page = sign_in("sam", size=size, javascript=javascript)
    page.goto("/office/people/")
    page.get_by_role("link", name="Costs").click()
    assert "Wolfeschlegelsteinhause" in page.get_by_test_id("companies").inner_text()
    assert page.get_by_test_id("countries").get_by_role("listitem").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    if javascript:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
    with page.expect_download() as saved:
        page.get_by_test_id("csv").click()
    rows = saved.value.path().read_text().splitlines()
    assert rows[0] == "month,by,name,emails,texts,parts,usd"
    page.get_by_label("Month").select_option(index=1)
    page.get_by_role("button", name="Show").click()
    assert "so far" not in page.locator("#sum").inner_text()
    page.goto("/office/costs/?month=2024-01")
    assert page.get_by_text("Nothing is counted").is_visible()
