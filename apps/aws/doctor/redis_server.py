"""Redis, as the broker needs it. INFO alone is asked: managed Redis answers no CONFIG."""

from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings

from apps.aws.account import Account
from apps.aws.findings import Area, Finding, fail, ok, warn
from apps.core import redis_client
from apps.core.redaction import redact

area = Area("Redis", "redis")

#: The specification's.
OLDEST_VERSION = 7
MEMORY_WARNING = 0.8
_TIMEOUT_S = 2


def client() -> Any:
    return redis_client.client(_TIMEOUT_S)


@area.check
def reachable(account: Account) -> Finding:
    """Whether it answers, and its version."""
    url = urlsplit(settings.CELERY_BROKER_URL)
    where = f"{url.hostname}:{url.port or 6379}"
    try:
        version = client().info("server")["redis_version"]
    except redis.RedisError as error:
        return fail(
            f"{where} does not answer: {redact(str(error)).rstrip('.')}",
            "Start Redis, or correct CELERY_BROKER_URL. Messages wait in the database meanwhile.",
        )
    old = int(version.partition(".")[0]) < OLDEST_VERSION
    if old and settings.ENVIRONMENT != "development":
        return warn(f"{where} has version {version}", f"Use {OLDEST_VERSION}.0 or newer.")
    return ok(f"{where} answers, version {version}")


@area.check
def eviction(account: Account) -> Finding:
    """What it does when it is full: anything but refusing loses tasks in silence."""
    policy = client().info("memory").get("maxmemory_policy", "")
    if policy == "noeviction":
        return ok("noeviction")
    return fail(
        f"maxmemory-policy is {policy}: when Redis is full it drops tasks in silence",
        "Set it to noeviction; in ElastiCache, by a parameter group.",
    )


@area.check
def memory(account: Account) -> Finding:
    """How full it is."""
    info = client().info("memory")
    used, most = info["used_memory"], info.get("maxmemory") or info.get("total_system_memory", 0)
    found = f"{used / 2**20:,.0f} MiB of {most / 2**20:,.0f} are used"
    if most and used >= MEMORY_WARNING * most:
        return warn(found, "See workers.queue; find out what fills it, or give it more.")
    return ok(found)


@area.check
def persistence(account: Account) -> Finding:
    """Whether it fails to write to disk, upon which it takes no more tasks."""
    info = client().info("persistence")
    failing = [
        name
        for name in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
        if info.get(name, "ok") != "ok"
    ]
    if failing:
        return fail(
            f"it cannot write to disk ({', '.join(failing)}), and may refuse every write",
            "Look at its disk and its log.",
        )
    how = "append-only file" if info.get("aof_enabled") else "no append-only file"
    return ok(f"{how}; nothing depends on it, the database is the queue of record")


@area.check
def tls(account: Account) -> Finding:
    """Whether it is talked to over TLS."""
    if settings.CELERY_BROKER_URL.startswith("rediss://"):
        return ok("TLS")
    if settings.ENVIRONMENT == "development":
        return ok("no TLS (development)")
    return warn(
        "no TLS: the password and the ids of deliveries travel unencrypted",
        "Switch encryption in transit on, and write rediss:// in CELERY_BROKER_URL.",
    )
