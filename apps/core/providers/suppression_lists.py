"""The lists that AWS keeps itself: SES's suppressed addresses and SNS's opted-out numbers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from ..exceptions import PermanentError
from ..models.suppression import Listed, SuppressionReason
from .aws.read import Reader, understood

#: Addresses on a page; SES has no larger ones.
PAGE = 1000


def ses() -> Reader:
    """Return a reader of SES's list; raises ChannelUnavailableError."""
    return Reader("sesv2", settings.AWS_SES_REGION_NAME)


def suppressed(reader: Reader, since: datetime, until: datetime) -> Iterator[list[Listed]]:
    """Yield the addresses that came onto SES's list between the two times, page by page.

    `reader`: that of `ses`. Raises DeliveryError.
    """
    query: dict[str, Any] = {"StartDate": since, "EndDate": until, "PageSize": PAGE}
    while True:
        page = reader.ask("ses:ListSuppressedDestinations", **query)
        with understood("ses:ListSuppressedDestinations"):
            listed = [
                Listed(
                    each["EmailAddress"], _reason(each["Reason"]), _in_utc(each["LastUpdateTime"])
                )
                for each in page["SuppressedDestinationSummaries"]
            ]
        yield listed
        if not page.get("NextToken"):
            return
        query["NextToken"] = page["NextToken"]


def unsuppress(address: str) -> None:
    """Take the address, spelled as SES has it, off SES's list; raises DeliveryError."""
    try:
        ses().ask("ses:DeleteSuppressedDestination", EmailAddress=address)
    except PermanentError as error:
        if error.code != "NotFoundException":
            raise


def opted_out() -> Iterator[list[Listed]]:
    """Yield the numbers that SNS sends nothing to, page by page; raises DeliveryError.

    SNS does not say since when.
    """
    for page in _sns().pages("sns:ListPhoneNumbersOptedOut"):
        with understood("sns:ListPhoneNumbersOptedOut"):
            listed = [Listed(each, SuppressionReason.OPT_OUT) for each in page["phoneNumbers"]]
        yield listed


def is_opted_out(number: str) -> bool:
    """Ask SNS whether it sends nothing to the number; raises DeliveryError."""
    answer = _sns().ask("sns:CheckIfPhoneNumberIsOptedOut", phoneNumber=number)
    with understood("sns:CheckIfPhoneNumberIsOptedOut"):
        return bool(answer["isOptedOut"])


def opt_in(number: str) -> None:
    """Have SNS send to the number again, which it does once in 30 days; raises DeliveryError.

    https://docs.aws.amazon.com/sns/latest/api/API_OptInPhoneNumber.html
    """
    _sns().ask("sns:OptInPhoneNumber", phoneNumber=number)


def _reason(word: str) -> SuppressionReason:
    return SuppressionReason.COMPLAINT if word == "COMPLAINT" else SuppressionReason.BOUNCE


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _sns() -> Reader:
    return Reader("sns", settings.AWS_SNS_REGION_NAME)
