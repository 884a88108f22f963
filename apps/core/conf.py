"""Typed access to the settings of the notification engine."""

from datetime import timedelta

from django.conf import settings

from .addresses import canonical
from .states import Channel, Priority


def lease() -> timedelta:
    """Return how long a worker may hold a delivery."""
    return timedelta(seconds=settings.DELIVERY_LEASE_S)


def retry_horizon(priority: Priority) -> timedelta:
    """Return for how long after its first due time a delivery is retried."""
    urgent = priority <= Priority.HIGH
    return timedelta(hours=settings.RETRY_HORIZON_URGENT_H if urgent else settings.RETRY_HORIZON_H)


def unknown_deadline(channel: Channel, priority: Priority) -> timedelta:
    """Return how long a delivery of unknown outcome waits before the policy decides."""
    rules = settings.UNKNOWN_DEADLINE_S
    named = (rule for rule in _rules(channel, priority) if rule in rules)
    return timedelta(seconds=rules[next(named, "")])


def resends_unknown(channel: Channel, priority: Priority) -> bool:
    """Return whether the policy resends an unknown delivery instead of leaving it for a person."""
    rules = {rule.strip().lower() for rule in settings.UNKNOWN_RESEND}
    return bool(rules.intersection(_rules(channel, priority)))


def _rules(channel: Channel, priority: Priority) -> tuple[str, str]:
    """Return the names of the rules that apply, the most specific first."""
    return f"{channel.value}:{priority.name.lower()}", channel.value


def log_retention() -> timedelta:
    """Return how long the log of a finished delivery is kept."""
    return timedelta(days=settings.DELIVERY_LOG_RETENTION_DAYS)


def notification_retention() -> timedelta:
    """Return how long a notification is kept, with its finished deliveries."""
    return timedelta(days=settings.NOTIFICATION_RETENTION_DAYS)


def may_reach(address: str) -> bool:
    """Return whether this environment may send to the address. Staging has an allow-list.

    An entry is an e-mail address, a domain written `@example.com`, or an E.164 number.
    """
    if settings.ENVIRONMENT != "staging":
        return True
    allowed = {canonical(entry) for entry in settings.STAGING_ALLOWED_RECIPIENTS}
    address = canonical(address)
    _, _, domain = address.partition("@")
    # Text with a second @ may be two addresses, one of them a stranger's.
    is_one = domain and "@" not in domain
    return address in allowed or bool(is_one and "@" + domain in allowed)


def ses_keeps_a_list() -> bool:
    """Return whether SES's suppression list is kept in step with ours."""
    return settings.AWS_SES_SUPPRESSION_LIST


def sns_sends_texts() -> bool:
    """Return whether text messages go by SNS, which keeps a list of opt-outs."""
    return settings.SMS_ENABLED and settings.SMS_BACKEND == settings.SNS_BACKEND
