"""SES's API: the account, its identity, its configuration set and its suppression list.

Paths and names: https://docs.aws.amazon.com/ses/latest/APIReference-V2/.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.account.settings import AwsAccount
from sandbox.net.json_protocol import access_denied, answer, refusal

REVIEW_CASE_ID = "100000000000001"
DKIM_TOKENS = ("sandboxdkimtokenone", "sandboxdkimtokentwo", "sandboxdkimtokenthree")


class SesAccountApi:
    """Answers boto3's `sesv2` client about the account."""

    def __init__(self, account: AwsAccount, sent_in_24_hours: Callable[[datetime], float]) -> None:
        """`sent_in_24_hours`: how many recipients count for the quota at a time (UTC)."""
        self._account = account
        self._sent_in_24_hours = sent_in_24_hours

    def routes(self) -> list[web.RouteDef]:
        handlers: dict[str, tuple[str, Handler]] = {
            "GetAccount": ("/account", self.account),
            "GetEmailIdentity": ("/identities/{name}", self.identity),
            "GetConfigurationSet": ("/configuration-sets/{name}", self.configuration_set),
            "GetConfigurationSetEventDestinations": (
                "/configuration-sets/{name}/event-destinations",
                self.event_destinations,
            ),
            "ListSuppressedDestinations": ("/suppression/addresses", self.suppressed),
        }
        put_details = self._if_allowed("PutAccountDetails", self.put_details)
        unsuppress = self._if_allowed("DeleteSuppressedDestination", self.unsuppress)
        return [
            *(
                web.get(f"/v2/email{path}", self._if_allowed(action, handler))
                for action, (path, handler) in handlers.items()
            ),
            web.post("/v2/email/account/details", put_details),
            web.delete("/v2/email/suppression/addresses/{address}", unsuppress),
        ]

    def _if_allowed(self, action: str, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self._account.denies(f"ses:{action}"):
                return access_denied(f"ses:{action}", "AccessDeniedException")
            return await handler(request)

        return handle

    async def account(self, request: web.Request) -> web.StreamResponse:
        now, sent = self._account.now, self._account.now.sent_last_24_hours
        if sent is None:
            sent = self._sent_in_24_hours(datetime.now(UTC))
        review = {"Status": now.review_status, "CaseId": REVIEW_CASE_ID}
        details = {"Details": {**now.details, "ReviewDetails": review}} if now.review_status else {}
        return answer(
            {
                **details,
                "DedicatedIpAutoWarmupEnabled": False,
                "EnforcementStatus": now.enforcement_status,
                "ProductionAccessEnabled": now.production_access,
                "SendingEnabled": now.sending_enabled,
                "SendQuota": {
                    "Max24HourSend": now.max_24_hour_send,
                    "MaxSendRate": now.max_send_rate,
                    "SentLast24Hours": sent,
                },
                "PricingAttributes": {"CurrentPlan": now.pricing_plan},
                "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
            }
        )

    async def put_details(self, request: web.Request) -> web.StreamResponse:
        """Open a review, which stays open until `PATCH /api/account` closes it."""
        given = await request.json()
        if missing := {"MailType", "WebsiteURL"} - given.keys():
            return refusal("BadRequestException", f"Missing {', '.join(sorted(missing))}.", 400)
        if self._account.now.review_status == "PENDING":
            return refusal("ConflictException", "A review is under way already.", 409)
        asked = given.pop("ProductionAccessEnabled", False)
        changed = {"details": given} | ({"review_status": "PENDING"} if asked else {})
        self._account.now = self._account.now.model_copy(update=changed)
        return answer({})

    async def identity(self, request: web.Request) -> web.StreamResponse:
        now, name = self._account.now, request.match_info["name"]
        if name != now.identity:
            return _not_found(f"Email identity <{name}> does not exist.")
        mail_from = {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}
        if now.mail_from_domain:
            mail_from |= {
                "MailFromDomain": now.mail_from_domain,
                "MailFromDomainStatus": now.mail_from_status,
            }
        return answer(
            {
                "IdentityType": "EMAIL_ADDRESS" if "@" in name else "DOMAIN",
                "FeedbackForwardingStatus": True,
                "VerifiedForSendingStatus": now.identity_verified,
                "VerificationStatus": "SUCCESS" if now.identity_verified else "PENDING",
                "DkimAttributes": {
                    "SigningEnabled": True,
                    "Status": now.dkim_status,
                    "Tokens": list(DKIM_TOKENS),
                    "SigningAttributesOrigin": "AWS_SES",
                },
                "MailFromAttributes": mail_from,
                "ConfigurationSetName": now.configuration_set,
                "Policies": {},
                "Tags": [],
            }
        )

    async def configuration_set(self, request: web.Request) -> web.StreamResponse:
        now, name = self._account.now, request.match_info["name"]
        if name != now.configuration_set:
            return _not_found(f"Configuration set <{name}> does not exist.")
        return answer(
            {
                "ConfigurationSetName": name,
                "SendingOptions": {"SendingEnabled": now.configuration_set_sending},
                "ReputationOptions": {"ReputationMetricsEnabled": True},
                "Tags": [],
            }
        )

    async def event_destinations(self, request: web.Request) -> web.StreamResponse:
        now, name = self._account.now, request.match_info["name"]
        if name != now.configuration_set:
            return _not_found(f"Configuration set <{name}> does not exist.")
        destination = {
            "Name": "sns",
            "Enabled": True,
            "MatchingEventTypes": now.event_types,
            "SnsDestination": {"TopicArn": now.event_destination_topic},
        }
        return answer({"EventDestinations": [destination] if now.event_destination else []})

    async def suppressed(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        since, until = _moment(query.get("StartDate")), _moment(query.get("EndDate"))
        after, size = int(query.get("NextToken", "0")), int(query.get("PageSize", "1000"))
        entries = [
            each
            for each in self._account.now.suppressed
            if (since is None or each.at > since) and (until is None or each.at < until)
        ]
        page: dict[str, Any] = {
            "SuppressedDestinationSummaries": [
                {
                    "EmailAddress": each.address,
                    "Reason": each.reason,
                    "LastUpdateTime": each.at.timestamp(),
                }
                for each in entries[after : after + size]
            ]
        }
        if entries[after + size :]:
            page["NextToken"] = str(after + size)
        return answer(page)

    async def unsuppress(self, request: web.Request) -> web.StreamResponse:
        address = request.match_info["address"]
        if not self._account.unsuppress(address):
            return _not_found(f"Email address {address} does not exist on your suppression list.")
        return answer({})


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _not_found(message: str) -> web.Response:
    return refusal("NotFoundException", message, 404)
