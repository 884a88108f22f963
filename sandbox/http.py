"""The HTTP side: the SNS endpoint, and a JSON view of what the sandbox was sent."""

import asyncio
import ipaddress
from typing import cast
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox.sns import Sns
from sandbox.store import Kind, Store

DEFAULT_PAGE = 100
MAX_PAGE = 1_000

_KINDS = ("email", "sms")
_PARAMETERS = frozenset({"since", "kind", "to", "limit", "full"})


def build_app(store: Store, sns: Sns) -> web.Application:
    """The application that serves both, refusing whoever did not ask for a loopback host."""
    api = Api(store)
    app = web.Application(middlewares=[loopback_hosts_only])
    app.add_routes(
        [
            web.post("/", sns.handle),
            web.get("/api/messages", api.list_messages),
            web.delete("/api/messages", api.delete_messages),
            web.get("/api/messages/{id}", api.get_message),
            web.get("/api/health", api.health),
        ]
    )
    return app


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without a port, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@web.middleware
async def loopback_hosts_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request addressed to another name: a page using DNS rebinding to read the mail."""
    try:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        host = None
    if host is None or not is_loopback(host):
        return _error(403, "the Host header must name a loopback host")
    return await handler(request)


class Api:
    """The handlers of `/api/`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list_messages(self, request: web.Request) -> web.Response:
        """`?since=SEQ&kind=email|sms&to=ADDRESS&limit=N&full=1`, each optional.

        Answers the newest `limit` messages (100 unless told, at most 1,000), or with `since` the
        oldest `limit` after it; the newest last, and as `last_seq` the `since` to ask for next.
        """
        query = request.query
        since, limit = query.get("since"), query.get("limit", str(DEFAULT_PAGE))
        kind, full = query.get("kind"), query.get("full", "0")
        if unknown := query.keys() - _PARAMETERS:
            return _error(400, f"unknown parameter: {', '.join(sorted(unknown))}")
        if since is not None and not _is_number(since):
            return _error(400, "since must be a whole number")
        if not _is_number(limit) or not 1 <= int(limit) <= MAX_PAGE:
            return _error(400, f"limit must be a whole number from 1 to {MAX_PAGE}")
        if kind is not None and kind not in _KINDS:
            return _error(400, "kind must be email or sms")
        if full not in ("0", "1"):
            return _error(400, "full must be 0 or 1")
        page = self._store.find(
            since=None if since is None else int(since),
            kind=cast("Kind | None", kind),
            to=query.get("to"),
            limit=int(limit),
        )

        def answer() -> web.Response:
            messages = [entry.as_json(full=full == "1") for entry in page.entries]
            return web.json_response({"messages": messages, "last_seq": page.last_seq})

        # Reading a thousand e-mails takes long enough to hold up a provider call.
        return await asyncio.to_thread(answer)

    async def get_message(self, request: web.Request) -> web.Response:
        """One message in full."""
        entry = self._store.get(request.match_info["id"])
        if entry is None:
            return _error(404, "no such message")
        return web.json_response(entry.as_json(full=True))

    async def delete_messages(self, request: web.Request) -> web.Response:
        """Forget every message."""
        self._store.clear()
        return web.Response(status=204)

    async def health(self, request: web.Request) -> web.Response:
        """That the sandbox is up, and how many messages of each kind it keeps."""
        counts = self._store.counts()
        return web.json_response({"status": "ok", "emails": counts["email"], "sms": counts["sms"]})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
