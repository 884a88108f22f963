"""The DNS records that SES requires of the sender's domain, and whether the DNS has them.

They are those of https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html and
https://docs.aws.amazon.com/ses/latest/dg/mail-from.html. The DMARC record (RFC 7489) is a proposal
that changes nothing yet: receivers want one, and what it says is the domain owner's to choose.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import dns.exception
import dns.rdata
import dns.resolver
from django.conf import settings
from dns.rdtypes.ANY.TXT import TXT

from apps.aws.account import Account

from . import email

#: Seconds for one look-up in all.
LOOKUP_S = 3.0
TTL_S = 3600
#: The zone of SES's keys, if SES does not name it.
_DKIM_ZONE = "dkim.amazonses.com"
_OWN_KEY = "v=DKIM1; k=rsa; p= and the public key of your own DKIM key"
_SPF = "v=spf1 include:amazonses.com ~all"


class RecordState(StrEnum):
    THERE = "there"
    MISSING = "missing"
    #: There is a record of that name and type, and it says something else.
    DIFFERENT = "different"
    UNKNOWN = "could not be looked up"


@dataclass(frozen=True)
class Record:
    """One record, its names without a dot at the end; `is_met` judges what the DNS has."""

    name: str
    type: str
    value: str
    is_met: Callable[[set[str]], bool]
    #: Other names at which the record counts as well.
    also_at: tuple[str, ...] = ()
    #: Only the owner of the key knows what `value` stands for.
    is_placeholder: bool = False

    @property
    def zone_line(self) -> str:
        """Return the record as a line of a zone file."""
        if self.is_placeholder:
            return f"; {self.name}. {self.type}: {self.value}"
        value = f'"{self.value}"' if self.type == "TXT" else f"{self.value}."
        return f"{self.name}. {TTL_S} IN {self.type} {value}"


@dataclass(frozen=True)
class Looked:
    """A record, and what the DNS has of it."""

    record: Record
    state: RecordState

    def as_dict(self) -> dict[str, str]:
        record = self.record
        return {
            "name": record.name,
            "type": record.type,
            "value": record.value,
            "state": self.state.value,
        }


def records(account: Account) -> list[Record]:
    """Return the records of the sender's domain; raises Unseen if SES does not name them."""
    region, identity = settings.AWS_SES_REGION_NAME, email.identity_of_sender(account)
    domain = identity.name.rpartition("@")[2].lower()
    mail_from = identity.mail_from.get("MailFromDomain") or f"mail.{domain}"
    return [
        *_dkim(identity, domain),
        # SES accepts no other MX beside it.
        _exactly(mail_from, "MX", f"10 feedback-smtp.{region}.amazonses.com"),
        Record(mail_from, "TXT", _SPF, _has_spf),
        Record(f"_dmarc.{domain}", "TXT", _dmarc(domain), _has_dmarc, _dmarc_also_at(domain)),
    ]


def _dkim(identity: email.Identity, domain: str) -> Iterator[Record]:
    zone = identity.dkim.get("SigningHostedZone") or _DKIM_ZONE
    for token in identity.dkim.get("Tokens", []):
        name = f"{token}._domainkey.{domain}"
        if identity.has_own_key:
            # Then the token is the selector, and SES does not give the key away.
            yield Record(name, "TXT", _OWN_KEY, _has_key, is_placeholder=True)
        else:
            yield _exactly(name, "CNAME", f"{token}.{zone}")


def _exactly(name: str, kind: str, value: str) -> Record:
    return Record(name, kind, value, lambda found: found == {value.lower()})


def _has_spf(found: set[str]) -> bool:
    policies = [text for text in found if text.startswith("v=spf1")]
    return len(policies) == 1 and "include:amazonses.com" in policies[0]


def _has_key(found: set[str]) -> bool:
    # An empty key is a revoked one (RFC 6376, section 3.6.1).
    return len(found) == 1 and bool(re.search(r"(^|;)\s*p\s*=\s*[a-z0-9+/]", next(iter(found))))


def _dmarc_also_at(domain: str) -> tuple[str, ...]:
    # A subdomain without a record has that of the organization (RFC 7489, section 6.6.3).
    domains = dict.fromkeys([email.domain(), *email.domains_above(email.domain())])
    return tuple(f"_dmarc.{each}" for each in domains if each != domain)


def _has_dmarc(found: set[str]) -> bool:
    # Any policy will do: a stricter one than ours is better.
    return sum(text.startswith("v=dmarc1") for text in found) == 1


def _dmarc(domain: str) -> str:
    # Another domain would have to agree to get the reports (RFC 7489, section 7.1).
    ours = settings.ADMIN_EMAIL.lower().endswith(f"@{domain}")
    return f"v=DMARC1; p=none; rua=mailto:{settings.ADMIN_EMAIL}" if ours else "v=DMARC1; p=none"


def look_up(wanted: list[Record], nameserver: tuple[str, int] | None = None) -> list[Looked]:
    """Look each record up at that name server, or else at those of this machine."""
    return list(_looked(wanted, nameserver))


def _looked(wanted: list[Record], nameserver: tuple[str, int] | None) -> Iterator[Looked]:
    resolver = _resolver(nameserver)
    for record in wanted:
        state = _state(resolver, record) if resolver else RecordState.UNKNOWN
        if state == RecordState.UNKNOWN:
            # The others would time out too.
            resolver = None
        yield Looked(record, state)


def _resolver(nameserver: tuple[str, int] | None) -> dns.resolver.Resolver | None:
    try:
        resolver = dns.resolver.Resolver(configure=nameserver is None)
    except dns.resolver.NoResolverConfiguration:
        return None
    if nameserver:
        resolver.nameservers, resolver.port = [nameserver[0]], nameserver[1]
    return resolver


def _state(resolver: dns.resolver.Resolver, record: Record) -> RecordState:
    state = _state_at(record.name, resolver, record)
    if state in (RecordState.THERE, RecordState.UNKNOWN):
        return state
    elsewhere = (_state_at(name, resolver, record) for name in record.also_at)
    return RecordState.THERE if RecordState.THERE in elsewhere else state


def _state_at(name: str, resolver: dns.resolver.Resolver, record: Record) -> RecordState:
    try:
        answer = resolver.resolve(name, record.type, lifetime=LOOKUP_S, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return RecordState.MISSING
    except (dns.exception.DNSException, OSError):
        return RecordState.UNKNOWN
    found = {_text(data) for data in answer}
    return RecordState.THERE if record.is_met(found) else RecordState.DIFFERENT


def _text(data: dns.rdata.Rdata) -> str:
    """Return the data as `Record.value` has it, in lower case."""
    if isinstance(data, TXT):
        return b"".join(data.strings).decode(errors="replace").lower()
    return data.to_text().rstrip(".").lower()
