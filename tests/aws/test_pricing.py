"""The plan of SES, read from the account and used for the price of e-mail."""

from decimal import Decimal

import pytest

from apps.aws import pricing
from apps.core.costs import prices
from sandbox.testing import RunningSandbox

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("plan", "usd"), [("ESSENTIALS", "0.16"), ("NONE", "0.10"), ("PRO", "0.10")]
)
def test_the_plan_of_the_account_sets_the_price(
    sandbox: RunningSandbox, plan: str, usd: str
) -> None:
    sandbox.account(pricing_plan=plan)
    pricing.read_plan()
    assert (prices.plan(), prices.emails_usd_per_1000()) == (plan, Decimal(usd))


def test_the_last_plan_counts_on_if_it_cannot_be_read(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    pricing.read_plan()
    sandbox.account(denied=["ses:GetAccount"])
    pricing.read_plan()
    assert prices.plan() == "ESSENTIALS"
    assert "pricing plan not read: not allowed to look: needs ses:GetAccount" in caplog.text
