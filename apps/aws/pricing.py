"""Reads the pricing plan of SES, by which the costs of e-mail are counted."""

import logging

from django.conf import settings

from apps.core.audit.findings import Unseen
from apps.core.costs import prices

from .account import Account

logger = logging.getLogger(__name__)


def read_plan() -> None:
    """Note the account's plan. If it cannot be read, the last one still counts."""
    try:
        said = Account().ask("sesv2", "GetAccount", settings.AWS_SES_REGION_NAME)
    except Unseen as unseen:
        logger.warning("SES's pricing plan not read: %s", unseen.finding.found)
        return
    # An answer without it is of an older API.
    if plan := said.get("PricingAttributes", {}).get("CurrentPlan", ""):
        prices.remember_plan(plan)
