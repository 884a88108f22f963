"""Report errors to Sentry, if SENTRY_DSN is set. No report has an address, a number or a name."""

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.redis import RedisIntegration

from apps.core.redaction import MAX_LOGGED, cut, redact

#: The parts of a request that may identify a person. Addresses have tokens in them.
_PRIVATE = ("data", "cookies", "env", "query_string", "headers", "url")


def start(dsn: str, environment: str, **options: Any) -> None:
    """Have the SDK report what no code handles; `options` go to it as they are."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        # Users, cookies and addresses stay out by the SDK's default (send_default_pii).
        # Local variables hold contexts of messages, with names in them.
        include_local_variables=False,
        max_request_body_size="never",
        # Breadcrumbs are earlier log entries and SQL, which may quote a name.
        max_breadcrumbs=0,
        auto_enabling_integrations=False,
        integrations=[
            DjangoIntegration(middleware_spans=False),
            CeleryIntegration(propagate_traces=False),
            RedisIntegration(),
        ],
        before_send=_scrub,
        **options,
    )


def _scrub(event: Any, hint: Any) -> Any:
    event.pop("user", None)
    event.pop("server_name", None)
    request = event.get("request") or {}
    for part in _PRIVATE:
        request.pop(part, None)
    return _redacted(event)


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        # PostgreSQL quotes the row that it refuses in a line of its own.
        return redact(cut(value.partition("\nDETAIL:")[0], MAX_LOGGED))
    if isinstance(value, dict):
        return {name: _redacted(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(each) for each in value]
    return value
