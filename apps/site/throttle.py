"""Slow down password guessing, on our sign-in page and on the admin's.

Failed sign-ins are counted in Redis, for all processes of all hosts, by account and address. An
account that has signed in from an address before is known there: neither failures at its address
nor failures of other addresses at the account lock it out.
"""

import hashlib
import ipaddress
import logging
import math
import unicodedata
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from apps.core import redis_client

from . import accounts

logger = logging.getLogger(__name__)


class Limit(NamedTuple):
    """Failed sign-ins that are allowed in some seconds, counted from the first."""

    failures: int
    seconds: int


#: One account from one address; any account from one address; one account from any address.
PAIR, ADDRESS, ACCOUNT = Limit(5, 15 * 60), Limit(20, 15 * 60), Limit(50, 60 * 60)
#: Seconds that a pair stays known after it has signed in.
KNOWN_S = 60 * 24 * 3600

#: Counts a failure in advance, so that parallel guesses are counted too; or returns the seconds to
#: wait.
_COUNT = """
local wait = 0
for number, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[number * 2 - 1]) then
    wait = math.max(wait, redis.call('TTL', key), 1)
  end
end
if wait > 0 then return wait end
for number, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('EXPIRE', key, ARGV[number * 2]) end
end
return 0
"""

#: Takes back what was counted in advance, unless it has expired.
_TAKE_BACK = """
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') > 0 then redis.call('DECR', key) end
end
"""


class Attempt(NamedTuple):
    """One sign-in: whose, as far as Redis needs to know, and from where."""

    account: str
    address: str

    @property
    def pair(self) -> str:
        return f"rs:sign-in:pair:{self.account}:{self.address}"

    @property
    def known(self) -> str:
        return f"rs:sign-in:known:{self.account}:{self.address}"

    def limits(self) -> dict[str, Limit]:
        """Return the counters of this attempt. Raises RedisError."""
        own = {self.pair: PAIR}
        if redis_client.shared().exists(self.known):
            return own
        return own | {
            f"rs:sign-in:address:{self.address}": ADDRESS,
            f"rs:sign-in:account:{self.account}": ACCOUNT,
        }


class ThrottleBackend:
    """Refuse a sign-in before its password is looked at. Never signs a user in.

    Stands before the other authentication backends. The sign-in forms show its ValidationError.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, **credentials: Any
    ) -> None:
        if request is None or username is None:
            return
        # One account has one count, whether its name or its address is typed.
        user = accounts.find(username)
        name = user.get_username() if user else username
        attempt = Attempt(_fingerprint(name), _network(request))
        if wait_s := _count(attempt):
            logger.warning("sign-in throttled address=%s wait_s=%d", _address(request), wait_s)
            minutes = math.ceil(wait_s / 60)
            said = ngettext(
                "Too many failed attempts. Try again in {n} minute.",
                "Too many failed attempts. Try again in {n} minutes.",
                minutes,
            )
            raise ValidationError(said.format(n=minutes), code="throttled")
        request.sign_in_attempt = attempt  # type: ignore[attr-defined]


def record_success(request: HttpRequest | None, **_: Any) -> None:
    """Take back the failure that was counted in advance, and remember the pair."""
    attempt = getattr(request, "sign_in_attempt", None)
    if attempt is None:
        return
    try:
        client, limits = redis_client.shared(), attempt.limits()
        client.eval(_TAKE_BACK, len(limits), *limits)
        client.delete(attempt.pair)
        client.set(attempt.known, "", ex=KNOWN_S)
    except redis.RedisError as error:
        logger.warning("sign-in not recorded: %s", error)


def log_failure(request: HttpRequest | None = None, **_: Any) -> None:
    """Log a failed sign-in. The typed name may be a password, so it is left out."""
    logger.warning("sign-in failed address=%s", _address(request) if request else "none")


def connect() -> None:
    """Listen to Django's signals."""
    user_logged_in.connect(record_success)
    user_login_failed.connect(log_failure)


def _count(attempt: Attempt) -> int:
    """Count a failure in advance. Return the seconds to wait; 0 if the attempt may go on."""
    try:
        limits = attempt.limits()
        arguments = [value for limit in limits.values() for value in limit]
        return int(redis_client.shared().eval(_COUNT, len(limits), *limits, *arguments))
    except redis.RedisError as error:
        # Without Redis people must still be able to sign in.
        logger.warning("sign-in not throttled: %s", error)
        return 0


def network_of(request: HttpRequest) -> str:
    """Return a fingerprint of the visitor's network address, for the limits of links and codes."""
    return salted_hmac("apps.site.throttle", _network(request), algorithm="sha256").hexdigest()


def _fingerprint(username: str) -> str:
    name = unicodedata.normalize("NFKC", username).strip().casefold()
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _address(request: HttpRequest) -> str:
    """Return the visitor's address, as the nearest trusted proxy has seen it."""
    direct = str(request.META.get("REMOTE_ADDR") or "unknown")
    if not settings.TRUSTED_PROXIES:
        return direct
    passed = request.headers.get("X-Forwarded-For", "").split(",")
    # Each proxy appends the address that it has seen. The visitor can write only what is before.
    seen = passed[-settings.TRUSTED_PROXIES :][0].strip()
    try:
        return str(ipaddress.ip_address(seen))
    except ValueError:
        logger.warning("no address in X-Forwarded-For, and TRUSTED_PROXIES is set")
        return direct


def _network(request: HttpRequest) -> str:
    """Return what one visitor can change at will as one: an IPv6 network of 64 bits."""
    address = _address(request)
    if ":" in address:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    return address
