"""Every check of the doctor. To add one: write its function, and give it a line here."""

from collections.abc import Callable
from dataclasses import dataclass

from apps.aws.account import Account
from apps.core.audit.findings import Finding

from . import configuration, credentials, database, email, events, redis_server, texts, workers


@dataclass(frozen=True)
class Check:
    """One thing that the doctor looks at.

    `look` returns what it found, or raises Unseen. `id` stays as it is: scripts and docs/aws.md
    name it. `area` is the heading under which it is printed.
    """

    id: str
    area: str
    look: Callable[[Account], Finding]


CHECKS = [
    Check("credentials.caller", "Credentials", credentials.caller),
    Check("credentials.key_age", "Credentials", credentials.key_age),
    Check("credentials.smtp_key_age", "Credentials", credentials.smtp_key_age),
    Check("email.smtp", "E-mail", email.smtp),
    Check("email.identity", "E-mail", email.identity),
    Check("email.dkim", "E-mail", email.dkim),
    Check("email.mail_from", "E-mail", email.mail_from),
    Check("email.production_access", "E-mail", email.production_access),
    Check("email.sending", "E-mail", email.sending),
    Check("email.enforcement", "E-mail", email.enforcement),
    Check("email.quota", "E-mail", email.quota),
    Check("email.rate", "E-mail", email.rate),
    Check("email.suppression", "E-mail", email.suppression),
    Check("email.reputation", "E-mail", email.reputation),
    Check("events.configuration_set", "Events of SES", events.configuration_set),
    Check("events.destination", "Events of SES", events.destination),
    Check("events.topic", "Events of SES", events.topic),
    Check("events.subscription", "Events of SES", events.subscription),
    Check("events.queue", "Events of SES", events.queue),
    Check("events.dead_letters", "Events of SES", events.dead_letters),
    Check("events.last", "Events of SES", events.last),
    Check("sms.enabled", "Text messages", texts.enabled),
    Check("sms.production_access", "Text messages", texts.production_access),
    Check("sms.spend_limit", "Text messages", texts.spend_limit),
    Check("sms.budget", "Text messages", texts.budget),
    Check("sms.message_type", "Text messages", texts.message_type),
    Check("sms.delivery_log", "Text messages", texts.delivery_log),
    Check("sms.log_group", "Text messages", texts.log_group),
    Check("sms.opted_out", "Text messages", texts.opted_out),
    Check("redis.reachable", "Redis", redis_server.reachable),
    Check("redis.writable", "Redis", redis_server.writable),
    Check("redis.eviction", "Redis", redis_server.eviction),
    Check("redis.memory", "Redis", redis_server.memory),
    Check("redis.persistence", "Redis", redis_server.persistence),
    Check("redis.password", "Redis", redis_server.password),
    Check("redis.tls", "Redis", redis_server.tls),
    Check("database.reachable", "Database", database.reachable),
    Check("database.writable", "Database", database.writable),
    Check("database.migrations", "Database", database.migrations),
    Check("database.engine", "Database", database.engine),
    Check("database.tls", "Database", database.tls),
    Check("workers.online", "Workers", workers.online),
    Check("workers.beat", "Workers", workers.beat),
    Check("workers.metrics", "Workers", workers.metrics),
    Check("workers.queue", "Workers", workers.queue),
    Check("workers.overdue", "Workers", workers.overdue),
    Check("workers.channels", "Workers", workers.channels),
    Check("workers.clocks", "Workers", workers.clocks),
    Check("settings.checks", "Settings", configuration.checks),
    Check("settings.secrets", "Settings", configuration.secrets),
    Check("settings.contradictions", "Settings", configuration.contradictions),
]
