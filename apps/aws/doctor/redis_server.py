"""Checks of Redis as the broker needs it. They use INFO: managed Redis has no CONFIG."""

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import redis
from django.conf import settings

from apps.aws.account import Account
from apps.core import redis_client
from apps.core.audit.findings import Finding, fail, ok, warn
from apps.core.redaction import redact

#: The specification's.
OLDEST_VERSION = 7
MEMORY_WARNING = 0.8
_TIMEOUT_S = 2
#: Milliseconds after which a probe's keys expire.
_PROBE_MS = 10_000


def client() -> Any:
    return redis_client.client(_TIMEOUT_S)


def reachable(account: Account) -> Finding:
    """Check that Redis answers, and its version."""
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


def writable(account: Account) -> Finding:
    """Check that Redis accepts what Celery's transport writes: a transaction over several keys.

    A PING is answered by a replica and by a cluster as well. The keys of the probe are deleted.
    """
    info = client().info()
    if info.get("cluster_enabled"):
        return fail(
            "Redis is in cluster mode: workers end with CROSSSLOT, for Celery uses several keys "
            "at once",
            "Use a Redis or Valkey without cluster mode; ElastiCache Serverless has no other.",
        )
    if info.get("role") == "slave":
        return fail(
            "it is a replica: what is written there is refused or lost",
            "Name the primary in CELERY_BROKER_URL; in ElastiCache, the primary endpoint.",
        )
    keys = [f"rs:doctor:{uuid4().hex}:{number}" for number in range(3)]
    try:
        with client().pipeline(transaction=True) as probe:
            for key in keys:
                probe.set(key, "", px=_PROBE_MS)
            for key in keys:
                probe.delete(key)
            probe.execute()
    except redis.ResponseError as error:
        return fail(
            f"it refuses a write: {redact(str(error)).rstrip('.')}",
            "Check which node CELERY_BROKER_URL names, its memory, and the rights of its user.",
        )
    return ok("a write was accepted")


def eviction(account: Account) -> Finding:
    """Check that a full Redis refuses: any other policy loses tasks in silence."""
    policy = client().info("memory").get("maxmemory_policy", "")
    if policy == "noeviction":
        return ok("noeviction")
    return fail(
        f"maxmemory-policy is {policy}: when Redis is full it drops tasks in silence",
        "Set it to noeviction; in ElastiCache, by a parameter group.",
    )


def memory(account: Account) -> Finding:
    """Check that Redis is not nearly full."""
    info = client().info("memory")
    used, most = info["used_memory"], info.get("maxmemory") or info.get("total_system_memory", 0)
    found = f"{used / 2**20:,.0f} MiB of {most / 2**20:,.0f} are used"
    if most and used >= MEMORY_WARNING * most:
        return warn(found, "See workers.queue; find out what fills it, or give it more.")
    return ok(found)


def persistence(account: Account) -> Finding:
    """Check that writing to disk works: Redis refuses tasks if it fails."""
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


def password(account: Account) -> Finding:
    """Check that Redis is reached with a password, except in development."""
    if urlsplit(settings.CELERY_BROKER_URL).password:
        return ok("CELERY_BROKER_URL has a password")
    if settings.ENVIRONMENT == "development":
        return ok("no password (development)")
    return warn(
        "CELERY_BROKER_URL has no password: any host of the network may read and empty the queues",
        "Copy CELERY_BROKER_URL from the stack's secret, or set a password in Redis.",
    )


def tls(account: Account) -> Finding:
    """Check that Redis is reached over TLS, except in development."""
    if settings.CELERY_BROKER_URL.startswith("rediss://"):
        return ok("TLS")
    if settings.ENVIRONMENT == "development":
        return ok("no TLS (development)")
    return warn(
        "no TLS: the password and the ids of deliveries travel unencrypted",
        "Switch encryption in transit on, and write rediss:// in CELERY_BROKER_URL.",
    )
