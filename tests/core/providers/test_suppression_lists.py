"""The two lists as boto3 reads them: SES's pace, and what moto makes of the opt-outs."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from apps.core.exceptions import PermanentError
from apps.core.models.suppression import Listed, SuppressionReason
from apps.core.providers import suppression_lists
from apps.core.providers.aws import client as clients
from apps.core.providers.aws import read

AT = datetime(2026, 11, 25, 3, 10, tzinfo=UTC)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long each call would have waited, on a clock that stands still."""
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=slept.append)
    monkeypatch.setattr(read, "time", clock)
    return slept


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> Any:
    """Yield a client of AWS itself, whose answers the test puts in."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_SESV2")
    client = boto3.client("sesv2", region_name="us-east-1")
    monkeypatch.setattr(clients, "create", lambda *_, **__: client)
    with Stubber(client) as stub:
        yield stub


def page(*entries: tuple[str, str], token: str = "") -> dict[str, Any]:
    summaries = [
        {"EmailAddress": address, "Reason": reason, "LastUpdateTime": AT}
        for address, reason in entries
    ]
    return {"SuppressedDestinationSummaries": summaries} | ({"NextToken": token} if token else {})


def test_ses_is_asked_page_after_page_within_the_times_and_once_a_second(
    ses: Stubber, slept: list[float]
) -> None:
    times = {"StartDate": AT - timedelta(days=1), "EndDate": AT, "PageSize": 1000}
    first = page(("Gone@x.example", "BOUNCE"), token="more")
    ses.add_response("list_suppressed_destinations", first, times)
    second = page(("angry@x.example", "COMPLAINT"))
    ses.add_response("list_suppressed_destinations", second, times | {"NextToken": "more"})
    pages = list(suppression_lists.suppressed(suppression_lists.ses(), AT - timedelta(days=1), AT))
    assert pages == [
        [Listed("Gone@x.example", SuppressionReason.BOUNCE, AT)],
        [Listed("angry@x.example", SuppressionReason.COMPLAINT, AT)],
    ]
    assert slept[1] == read.SES_PAUSE_S
    ses.assert_no_pending_responses()


def test_an_address_that_is_not_on_the_list_is_taken_off_it(ses: Stubber) -> None:
    ses.add_client_error("delete_suppressed_destination", "NotFoundException", "no", 404)
    suppression_lists.unsuppress("gone@x.example")
    ses.add_client_error("delete_suppressed_destination", "BadRequestException", "no", 400)
    with pytest.raises(PermanentError):
        suppression_lists.unsuppress("gone@x.example")


def test_the_address_is_named_as_ses_spells_it(ses: Stubber) -> None:
    ses.add_response("delete_suppressed_destination", {}, {"EmailAddress": "Gone+a@x.example"})
    suppression_lists.unsuppress("Gone+a@x.example")
    ses.assert_no_pending_responses()


def test_moto_s_opt_outs_are_read_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SNS")
    with mock_aws():
        [listed] = suppression_lists.opted_out()
        number = listed[0].address
        suppression_lists.opt_in(number)
        [left] = suppression_lists.opted_out()
    assert left == listed[1:]
