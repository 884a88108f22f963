"""The request for SES's production access, which people at AWS read and answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from apps.aws.account import Operator, Stopped

#: SES's limits (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_PutAccountDetails.html).
MOST_CHARACTERS, MOST_CONTACTS = 5000, 4
#: The specification's estimate.
EMAILS_A_DAY = 1000


class AccessStatus(StrEnum):
    GRANTED = "granted"
    REVIEW = "under review"
    DENIED = "denied"
    #: AWS granted it, and the account is still in the sandbox.
    UNCLEAR = "granted, and not in effect"
    NOT_REQUESTED = "not requested"


#: The statuses in which a request can be made.
OPEN = {AccessStatus.NOT_REQUESTED, AccessStatus.DENIED}

_ADVICE = {
    AccessStatus.NOT_REQUESTED: "; --request-production-access does it",
    AccessStatus.REVIEW: "; answer in that case what AWS may ask",
    AccessStatus.DENIED: (
        "; answer in that case, or ask again with --request-production-access --request-again"
    ),
    AccessStatus.UNCLEAR: "; ask in that case",
}
#: "FAILED" is left out: the request never arrived.
_REVIEWS = {
    "PENDING": AccessStatus.REVIEW,
    "DENIED": AccessStatus.DENIED,
    "GRANTED": AccessStatus.UNCLEAR,
}


@dataclass(frozen=True)
class Access:
    """The status of production access, and the case at AWS if there is one."""

    status: AccessStatus
    case: str

    def __str__(self) -> str:
        case = f", case {self.case}" if self.case else ""
        return f"{self.status}{case}{_ADVICE.get(self.status, '')}"


@dataclass(frozen=True)
class Request:
    """What AWS is told in the request."""

    website: str
    use_case: str
    contacts: list[str]

    def as_dict(self) -> dict[str, Any]:
        return {"website": self.website, "use_case": self.use_case, "contacts": self.contacts}


def access(account: Mapping[str, Any]) -> Access:
    """Read the status from GetAccount's answer."""
    review = account.get("Details", {}).get("ReviewDetails", {})
    if account.get("ProductionAccessEnabled"):
        return Access(AccessStatus.GRANTED, "")
    status = _REVIEWS.get(review.get("Status", ""), AccessStatus.NOT_REQUESTED)
    return Access(status, review.get("CaseId", ""))


def request(
    website: str = "", use_case: str = "", contacts: list[str] | None = None, emails_a_day: int = 0
) -> Request:
    """Make the request, from the settings if nothing is given; raises Stopped."""
    made = Request(
        website or settings.SITE_URL,
        use_case.strip() or _use_case(emails_a_day or EMAILS_A_DAY),
        contacts or [settings.ADMIN_EMAIL],
    )
    site = urlsplit(made.website)
    if site.scheme != "https" or "." not in (site.hostname or ""):
        raise Stopped(
            f"{made.website} is no address that AWS can look at",
            "Set SITE_URL, or give --website https://….",
        )
    if len(made.use_case) > MOST_CHARACTERS:
        raise Stopped(
            f"the use case has {len(made.use_case):,} characters, and SES takes "
            f"{MOST_CHARACTERS:,}",
            "Shorten it.",
        )
    if len(made.contacts) > MOST_CONTACTS:
        raise Stopped(f"SES takes {MOST_CONTACTS} contacts", "Leave some of --contact out.")
    return made


def _use_case(emails_a_day: int) -> str:
    brand = settings.BRAND_NAME
    return (
        f"{brand} repairs windshields for fleets of vehicles. This account sends the notifications "
        "of its repair system to two groups, who all have an account in it: the managers of the "
        "fleets, and our own technicians. Each message follows from something that happened to a "
        "repair: it was requested, approved, denied, assigned, started or completed. There are no "
        "newsletters and no advertising, and no list was bought or collected elsewhere.\n\n"
        f"We expect about {emails_a_day:,} e-mails a day to begin with.\n\n"
        "A person is written to only after the address was verified. Bounces and complaints come "
        "back to us by an event destination of our configuration set: an address that bounces for "
        "good, or whose owner complains, is suppressed at once, and sending stops by itself if "
        "the rates rise. A person who wants no more of these e-mails tells us at "
        f"{settings.ADMIN_EMAIL}, and the address is taken out. Addresses are used for these "
        "notifications alone, and are passed on to no one but AWS, which delivers them."
    )


def ask_for(operator: Operator, region: str, made: Request) -> None:
    """Open the case at AWS; raises CallRefused, Stopped or Unseen."""
    operator.change(
        "sesv2",
        "PutAccountDetails",
        region,
        MailType="TRANSACTIONAL",
        WebsiteURL=made.website,
        ContactLanguage="EN",
        UseCaseDescription=made.use_case,
        AdditionalContactEmailAddresses=made.contacts,
        ProductionAccessEnabled=True,
    )
