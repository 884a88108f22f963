"""Checks of SES: the account, the sender's identity, and whether it accepts our credentials."""

from email.utils import parseaddr
from typing import Any, NamedTuple

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend

from apps.aws.account import Account, Denied, NotThere
from apps.core import conf
from apps.core.addresses import canonical
from apps.core.audit.findings import Finding, fail, ok, warn
from apps.core.guards import reputation as reputations
from apps.core.models import Suppression
from apps.core.redaction import redact
from apps.core.states import Channel

#: The share of the day's quota from which to warn.
QUOTA_WARNING = 0.8
#: Seconds for each answer of the SMTP endpoint.
SMTP_S = 5
_SIGNED = "messages are signed"


def sender() -> str:
    """Return the sender's address, without a display name, its domain as SES has it."""
    local, at, _ = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")
    return local + at + domain()


def domain() -> str:
    """Return the domain of the sender's address, in ASCII and lower case."""
    return canonical(parseaddr(settings.DEFAULT_FROM_EMAIL)[1]).rpartition("@")[2]


class Identity(NamedTuple):
    """An identity of SES, and what GetEmailIdentity says of it."""

    name: str
    said: dict[str, Any]

    @property
    def is_verified(self) -> bool:
        return bool(self.said.get("VerifiedForSendingStatus"))

    @property
    def dkim(self) -> dict[str, Any]:
        return dict(self.said.get("DkimAttributes", {}))

    @property
    def has_own_key(self) -> bool:
        """Return whether DKIM uses the owner's key (BYODKIM) rather than one of SES's."""
        return self.dkim.get("SigningAttributesOrigin") == "EXTERNAL"

    @property
    def mail_from(self) -> dict[str, Any]:
        return dict(self.said.get("MailFromAttributes", {}))


def identity_of_sender(account: Account) -> Identity:
    """Return the identity of SES by which the sender sends; raises NotThere or Unseen.

    That is its domain, a domain above, or the address itself: a verified domain covers its
    subdomains (https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html). A verified
    identity goes before one that is not.
    """
    found: list[Identity] = []
    missing: list[Denied | NotThere] = []
    for name in [domain(), *domains_above(domain()), sender()]:
        try:
            said = account.ask(
                "sesv2", "GetEmailIdentity", settings.AWS_SES_REGION_NAME, EmailIdentity=name
            )
        except (Denied, NotThere) as error:
            missing.append(error)
            continue
        found.append(Identity(name, said))
        if found[-1].is_verified:
            return found[-1]
    if found:
        return found[0]
    # A denied question may hide the identity.
    raise next((each for each in missing if isinstance(each, Denied)), missing[0])


def domains_above(name: str) -> list[str]:
    """Return the domains above this one, without the top-level domain."""
    labels = name.split(".")
    return [".".join(labels[number:]) for number in range(1, len(labels) - 1)]


def _account(account: Account) -> dict[str, Any]:
    return account.ask("sesv2", "GetAccount", settings.AWS_SES_REGION_NAME)


def smtp(account: Account) -> Finding:
    """Check that SES accepts our credentials by the transport in use; nothing is sent."""
    backend = settings.EMAIL_BACKEND
    if backend == settings.EMAIL_TRANSPORTS["ses-api"]:
        return _api(account)
    connection: Any = get_connection(backend)
    if not isinstance(connection, SMTPBackend):
        return _other_backend()
    connection.timeout = SMTP_S
    where = f"{connection.host}:{connection.port}"
    try:
        connection.open()
        connection.close()
    except OSError as error:
        return fail(
            f"{where} cannot be used: {_words(error)}",
            "Check AWS_SES_HOST, AWS_SES_PORT, AWS_SES_TLS and the way out of this network; after "
            "535, make a new password with `manage.py aws smtp-credentials`.",
        )
    if not connection.username:
        return warn(f"{where} answers; there is no user to sign in with", "Set AWS_SES_SMTP_USER.")
    return ok(f"{where} accepts our credentials")


def _api(account: Account) -> Finding:
    # Whether SES would take a message cannot be asked: only sending one tells.
    _account(account)
    return ok(
        "SES answers our credentials by its API; that they may send, which takes "
        "ses:SendRawEmail, shows when `manage.py test_ses` sends"
    )


def _words(error: OSError) -> str:
    # smtplib's errors are OSErrors too, and keep what the server said.
    if code := getattr(error, "smtp_code", 0):
        reply = getattr(error, "smtp_error", b"")
        return redact(f"{code} {reply.decode(errors='replace')}")
    return redact(str(error))


def _other_backend() -> Finding:
    found = f"EMAIL_BACKEND is {settings.EMAIL_BACKEND}, which is not SMTP"
    if settings.ENVIRONMENT == "development":
        return ok(f"{found} (development)")
    return warn(found, "Leave EMAIL_BACKEND out to send through SES.")


def identity(account: Account) -> Finding:
    """Check that the sender is verified."""
    try:
        found = identity_of_sender(account)
    except NotThere:
        return fail(
            f"neither {domain()} nor the sender's address is an identity of SES in "
            f"{settings.AWS_SES_REGION_NAME}, and no domain above is",
            "Create an identity of the domain there.",
        )
    if not found.is_verified:
        status = found.said.get("VerificationStatus", "PENDING")
        return fail(
            f"{domain()} is not verified yet: {status}",
            "Add the records of DKIM that `manage.py aws dns` lists; SES may take 72 hours to see "
            "them.",
        )
    if found.said.get("IdentityType") == "EMAIL_ADDRESS":
        return warn(
            "the sender's address is verified, and its domain is not",
            "Verify the domain, for DKIM and DMARC.",
        )
    if found.name != domain():
        return ok(f"{domain()} sends by the identity of {found.name}, which is verified")
    return ok(f"{domain()} is verified")


def dkim(account: Account) -> Finding:
    """Check that messages are signed."""
    identity = identity_of_sender(account)
    status = identity.dkim.get("Status", "NOT_STARTED")
    if status == "SUCCESS" and identity.dkim.get("SigningEnabled"):
        return ok("messages are signed with our own key" if identity.has_own_key else _SIGNED)
    if status == "SUCCESS":
        return fail("DKIM is set up and switched off", "Switch signing on for the identity.")
    missing = warn if status == "TEMPORARY_FAILURE" else fail
    return missing(
        f"messages are not signed: {status}",
        f"Add {'the TXT record' if identity.has_own_key else 'the three CNAMEs'} of DKIM that "
        "`manage.py aws dns` lists to the DNS of the domain.",
    )


def mail_from(account: Account) -> Finding:
    """Check that bounces return to a subdomain of ours, which SPF's alignment needs."""
    found = identity_of_sender(account).mail_from
    name, status = found.get("MailFromDomain", ""), found.get("MailFromDomainStatus", "")
    records = "Add its MX and TXT record, which `manage.py aws dns` lists."
    if not name:
        return warn("no MAIL FROM domain: SPF does not align", "Set one, as in mail.example.com.")
    if status == "SUCCESS":
        return ok(f"{name} is set up")
    if found.get("BehaviorOnMxFailure") == "REJECT_MESSAGE":
        return fail(f"{name} is {status}, and SES refuses to send meanwhile", records)
    return warn(f"{name} is {status}; SES uses a domain of its own meanwhile", records)


def production_access(account: Account) -> Finding:
    """Check that the account is out of SES's sandbox."""
    if _account(account).get("ProductionAccessEnabled"):
        return ok("SES sends to anybody")
    found, do = (
        "the account is in SES's sandbox: 200 e-mails a day, to verified addresses only",
        "Request it: `manage.py aws setup --request-production-access`.",
    )
    return fail(found, do) if settings.ENVIRONMENT == "production" else warn(found, do)


def sending(account: Account) -> Finding:
    """Check that sending is not paused."""
    if _account(account).get("SendingEnabled"):
        return ok("sending is enabled")
    return fail("SES sends nothing: sending is paused", "See the e-mails from AWS and its console.")


def enforcement(account: Account) -> Finding:
    """Check that AWS has neither put the account under review nor stopped it."""
    status = _account(account).get("EnforcementStatus", "")
    if status == "HEALTHY":
        return ok("healthy")
    do = "Answer AWS's support case, and see why messages bounce or are complained about."
    if status == "PROBATION":
        return warn("the account is under review", do)
    return fail(f"the account is stopped: {status}", do)


def quota(account: Account) -> Finding:
    """Check how much of the day's quota is used."""
    sent, most = day_quota(account)
    if most < 0:
        return ok(f"{sent:,.0f} sent in 24 hours, without a limit")
    found = f"{sent:,.0f} of {most:,.0f} sent in 24 hours"
    if sent >= most:
        return fail(found, "Nothing goes out until some of it is older; ask AWS for more.")
    if sent >= QUOTA_WARNING * most:
        return warn(found, "Ask AWS for a larger quota before it is used up.")
    return ok(found)


def day_quota(account: Account) -> tuple[float, float]:
    """Return the e-mails that SES sent in 24 hours, and how many it allows; -1 is no limit."""
    limits = _account(account)["SendQuota"]
    return float(limits["SentLast24Hours"]), float(limits["Max24HourSend"])


def rate(account: Account) -> Finding:
    """Check that our rate limit is within SES's."""
    granted, ours = _account(account)["SendQuota"]["MaxSendRate"], settings.EMAIL_RATE_LIMIT
    if ours > granted:
        return fail(
            f"EMAIL_RATE_LIMIT is {ours:g} a second, and SES grants {granted:g}",
            f"Set EMAIL_RATE_LIMIT={granted:g}, or ask AWS for more.",
        )
    return ok(f"EMAIL_RATE_LIMIT is {ours:g} a second of the {granted:g} that SES grants")


def suppression(account: Account) -> Finding:
    """Check that no address on SES's suppression list is missing on ours."""
    region = settings.AWS_SES_REGION_NAME
    page = account.ask("sesv2", "ListSuppressedDestinations", region, PageSize=1000)
    theirs = {each["EmailAddress"].lower() for each in page["SuppressedDestinationSummaries"]}
    rows = Suppression.objects.in_force().filter(channel=Channel.EMAIL)
    ours = set(rows.values_list("address", flat=True))
    more = " or more" if page.get("NextToken") else ""
    found = f"{len(theirs)}{more} on SES's list, {len(ours)} on ours"
    if only_theirs := len(theirs - ours):
        return warn(
            f"{found}; {only_theirs} that we still write to, and SES will bounce",
            _how_they_come_over(),
        )
    return ok(found)


def _how_they_come_over() -> str:
    if not conf.ses_keeps_a_list():
        return "Set AWS_SES_SUPPRESSION_LIST=true, and ours takes them over each night."
    return (
        "The reading at 3:10 takes them over, and takes off SES's list what was lifted here: the "
        "suppressions in the admin, and the log of the workers, say what stands in its way."
    )


def reputation(account: Account) -> Finding:
    """Check the shares of bounces and complaints, by SES's events."""
    present = reputations.measure()
    found = f"in 24 hours, {present}" if present.sent else "nothing was reported in 24 hours"
    do = "See in the admin which addresses, and do not write to them again."
    if present.is_bad:
        return fail(found, do)
    return warn(found, do) if present.is_doubtful else ok(found)
