"""The HTTP port: a JSON view of what the sandbox was sent, and what it is told to do."""

import asyncio
from typing import cast

from aiohttp import web

from sandbox.control import Control
from sandbox.loopback import loopback_hosts_only, problem
from sandbox.store import Kind, Store

DEFAULT_PAGE = 100
MAX_PAGE = 1_000

_KINDS = ("email", "sms")
_PARAMETERS = frozenset({"since", "kind", "to", "limit", "full"})


def build_app(store: Store, control: Control) -> web.Application:
    """The application that serves both, refusing whoever did not ask for a loopback host."""
    api = Api(store, control)
    app = web.Application(middlewares=[loopback_hosts_only])
    app.add_routes(
        [
            web.get("/api/messages", api.list_messages),
            web.delete("/api/messages", api.delete_messages),
            web.get("/api/messages/{id}", api.get_message),
            web.get("/api/health", api.health),
            *control.routes(),
        ]
    )
    return app


class Api:
    """The handlers of `/api/`."""

    def __init__(self, store: Store, control: Control) -> None:
        self._store = store
        self._control = control

    async def list_messages(self, request: web.Request) -> web.Response:
        """`?since=SEQ&kind=email|sms&to=ADDRESS&limit=N&full=1`, each optional.

        Answers the newest `limit` messages (100 unless told, at most 1,000), or with `since` the
        oldest `limit` after it; the newest last, and as `last_seq` the `since` to ask for next;
        as `waiting`, how many reports about messages are still to come.
        """
        query = request.query
        since, limit = query.get("since"), query.get("limit", str(DEFAULT_PAGE))
        kind, full = query.get("kind"), query.get("full", "0")
        if unknown := query.keys() - _PARAMETERS:
            return problem(400, f"unknown parameter: {', '.join(sorted(unknown))}")
        if since is not None and not _is_number(since):
            return problem(400, "since must be a whole number")
        if not _is_number(limit) or not 1 <= int(limit) <= MAX_PAGE:
            return problem(400, f"limit must be a whole number from 1 to {MAX_PAGE}")
        if kind is not None and kind not in _KINDS:
            return problem(400, "kind must be email or sms")
        if full not in ("0", "1"):
            return problem(400, "full must be 0 or 1")
        page = self._store.find(
            since=None if since is None else int(since),
            kind=cast("Kind | None", kind),
            to=query.get("to"),
            limit=int(limit),
        )

        waiting = self._control.waiting

        def answer() -> web.Response:
            messages = [entry.as_json(full=full == "1") for entry in page.entries]
            return web.json_response(
                {"messages": messages, "last_seq": page.last_seq, "waiting": waiting}
            )

        # Reading a thousand e-mails takes long enough to hold up a provider call.
        return await asyncio.to_thread(answer)

    async def get_message(self, request: web.Request) -> web.Response:
        """One message in full."""
        entry = self._store.get(request.match_info["id"])
        if entry is None:
            return problem(404, "no such message")
        return web.json_response(entry.as_json(full=True))

    async def delete_messages(self, request: web.Request) -> web.Response:
        """Forget every message."""
        self._store.clear()
        return web.Response(status=204)

    async def health(self, request: web.Request) -> web.Response:
        """That the sandbox is up, how many messages of each kind it keeps, and how it is set."""
        counts = self._store.counts()
        kept = {"emails": counts["email"], "sms": counts["sms"]}
        return web.json_response({"status": "ok", **kept, **self._control.health()})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
