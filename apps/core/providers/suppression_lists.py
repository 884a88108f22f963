"""The lists that AWS keeps itself: SES's suppressed addresses, and the numbers opted out of SNS."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from ..exceptions import PermanentError
from ..models.suppression import Listed, SuppressionReason
from .aws import read

#: SES answers everything but sending once a second
#: (https://docs.aws.amazon.com/ses/latest/dg/quotas.html).
SES_PAUSE_S = 1.1
#: Addresses on a page; SES has no larger ones.
PAGE = 1000

_ses_answers_from = 0.0


def ses() -> Any:
    """A client that reads SES's list; raises ChannelUnavailableError."""
    return read.client("sesv2", settings.AWS_SES_REGION_NAME)


def suppressed(client: Any, since: datetime, until: datetime) -> Iterator[list[Listed]]:
    """The addresses that came onto SES's list between the two times, page by page.

    `client`: that of `ses`. Raises DeliveryError.
    """
    query: dict[str, Any] = {"StartDate": since, "EndDate": until, "PageSize": PAGE}
    while True:
        page = _ask_ses(client, "ListSuppressedDestinations", **query)
        yield [
            Listed(each["EmailAddress"], _reason(each["Reason"]), _in_utc(each["LastUpdateTime"]))
            for each in page["SuppressedDestinationSummaries"]
        ]
        if not page.get("NextToken"):
            return
        query["NextToken"] = page["NextToken"]


def unsuppress(address: str) -> None:
    """Take the address, spelled as SES has it, off SES's list. Raises DeliveryError."""
    try:
        _ask_ses(ses(), "DeleteSuppressedDestination", EmailAddress=address)
    except PermanentError as error:
        if error.code != "NotFoundException":
            raise


def opted_out() -> Iterator[list[Listed]]:
    """The numbers that SNS sends nothing to, page by page: SNS does not say since when.

    Raises DeliveryError.
    """
    client = _sns()
    query: dict[str, str] = {}
    while True:
        page = read.ask(client, "sns:ListPhoneNumbersOptedOut", **query)
        yield [Listed(number, SuppressionReason.OPT_OUT) for number in page["phoneNumbers"]]
        if not page.get("nextToken"):
            return
        query["nextToken"] = page["nextToken"]


def is_opted_out(number: str) -> bool:
    """Whether SNS sends nothing to the number. Raises DeliveryError."""
    answer = read.ask(_sns(), "sns:CheckIfPhoneNumberIsOptedOut", phoneNumber=number)
    return bool(answer["isOptedOut"])


def opt_in(number: str) -> None:
    """Have SNS send to the number again, which it does once in 30 days. Raises DeliveryError.

    https://docs.aws.amazon.com/sns/latest/api/API_OptInPhoneNumber.html
    """
    read.ask(_sns(), "sns:OptInPhoneNumber", phoneNumber=number)


def _reason(word: str) -> SuppressionReason:
    return SuppressionReason.COMPLAINT if word == "COMPLAINT" else SuppressionReason.BOUNCE


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _ask_ses(client: Any, action: str, **parameters: Any) -> dict[str, Any]:
    global _ses_answers_from
    if client.meta.endpoint_url.endswith(".amazonaws.com"):
        time.sleep(max(0.0, _ses_answers_from - time.monotonic()))
        _ses_answers_from = time.monotonic() + SES_PAUSE_S
    return read.ask(client, f"ses:{action}", **parameters)


def _sns() -> Any:
    return read.client("sns", settings.AWS_SNS_REGION_NAME)
