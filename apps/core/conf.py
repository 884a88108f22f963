"""The settings of the notification system, typed, as the code means them."""

from datetime import timedelta

from django.conf import settings

from .states import Channel, Priority


def lease() -> timedelta:
    """How long a worker may hold a delivery."""
    return timedelta(seconds=settings.DELIVERY_LEASE_S)


def retry_horizon(priority: Priority) -> timedelta:
    """How long after it was first due a delivery of this priority is retried."""
    urgent = priority <= Priority.HIGH
    return timedelta(hours=settings.RETRY_HORIZON_URGENT_H if urgent else settings.RETRY_HORIZON_H)


def unknown_deadline(channel: Channel, priority: Priority) -> timedelta:
    """How long a delivery of unknown outcome waits before its policy decides."""
    rules = settings.UNKNOWN_DEADLINE_S
    named = (rule for rule in _rules(channel, priority) if rule in rules)
    return timedelta(seconds=rules[next(named, "")])


def resends_unknown(channel: Channel, priority: Priority) -> bool:
    """The policy: whether an unknown delivery is sent again rather than left for a person."""
    rules = {rule.strip().lower() for rule in settings.UNKNOWN_RESEND}
    return bool(rules.intersection(_rules(channel, priority)))


def _rules(channel: Channel, priority: Priority) -> tuple[str, str]:
    """By what names a rule may speak of them, the more particular first."""
    return f"{channel.value}:{priority.name.lower()}", channel.value


def log_retention() -> timedelta:
    """How long the log of a finished delivery is kept."""
    return timedelta(days=settings.DELIVERY_LOG_RETENTION_DAYS)


def may_reach(address: str) -> bool:
    """Whether this environment may send to the address: staging reaches its allow-list only.

    An entry is an e-mail address, a domain written `@example.com`, or an E.164 number.
    """
    if settings.ENVIRONMENT != "staging":
        return True
    allowed = {entry.strip().lower() for entry in settings.STAGING_ALLOWED_RECIPIENTS}
    address = address.strip().lower()
    _, _, domain = address.partition("@")
    # What has a second @ may be two addresses, of which one is a stranger's.
    is_one = domain and "@" not in domain
    return address in allowed or bool(is_one and "@" + domain in allowed)


def ses_keeps_a_list() -> bool:
    """Whether e-mail goes by SES, whose own suppression list ours is to agree with."""
    return settings.AWS_SES_SUPPRESSION_LIST


def sns_sends_texts() -> bool:
    """Whether text messages go by SNS, which keeps the numbers that answered STOP."""
    return settings.SMS_ENABLED and settings.SMS_BACKEND == settings.SNS_BACKEND
