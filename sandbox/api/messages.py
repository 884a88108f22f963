"""`/api/messages` and `/api/health`: what the sandbox accepted."""

import asyncio
from typing import cast

from aiohttp import web

from sandbox.api.app import problem
from sandbox.faults.rules import Rules
from sandbox.feedback import Feedback
from sandbox.sns.replies import Replies
from sandbox.sns.topic import Topic
from sandbox.store import Channel, Store

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000

_CHANNELS = ("email", "sms")
_PARAMETERS = frozenset({"since", "kind", "to", "limit", "full"})


class MessagesApi:
    def __init__(
        self, store: Store, rules: Rules, topic: Topic, feedback: Feedback, replies: Replies
    ) -> None:
        self._store = store
        self._rules = rules
        self._topic = topic
        self._feedback = feedback
        self._replies = replies

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/messages", self.list_messages),
            web.delete("/api/messages", self.delete_messages),
            web.get("/api/messages/{id}", self.get_message),
            web.get("/api/health", self.health),
        ]

    async def list_messages(self, request: web.Request) -> web.Response:
        """List messages: `?since=SEQ&kind=email|sms&to=ADDRESS&limit=N&full=1`, each optional.

        Without `since` the newest `limit` (100 by default, at most 1,000), else the oldest `limit`
        after it; always oldest first. `last_seq` is the next `since`, `waiting` the number of
        events and receipts still to come.
        """
        query = request.query
        since, limit = query.get("since"), query.get("limit", str(DEFAULT_LIMIT))
        channel, full = query.get("kind"), query.get("full", "0")
        if unknown := query.keys() - _PARAMETERS:
            return problem(400, f"unknown parameter: {', '.join(sorted(unknown))}")
        if since is not None and not _is_number(since):
            return problem(400, "since must be a whole number")
        if not _is_number(limit) or not 1 <= int(limit) <= MAX_LIMIT:
            return problem(400, f"limit must be a whole number from 1 to {MAX_LIMIT}")
        if channel is not None and channel not in _CHANNELS:
            return problem(400, "kind must be email or sms")
        if full not in ("0", "1"):
            return problem(400, "full must be 0 or 1")
        page = self._store.find(
            since=None if since is None else int(since),
            channel=cast("Channel | None", channel),
            to=query.get("to"),
            limit=int(limit),
        )

        waiting = self._feedback.waiting

        def answer() -> web.Response:
            messages = [entry.as_json(full=full == "1") for entry in page.entries]
            return web.json_response(
                {"messages": messages, "last_seq": page.last_seq, "waiting": waiting}
            )

        # In a thread: parsing a thousand e-mails would delay the answers to provider calls.
        return await asyncio.to_thread(answer)

    async def get_message(self, request: web.Request) -> web.Response:
        entry = self._store.get(request.match_info["id"])
        if entry is None:
            return problem(404, "no such message")
        return web.json_response(entry.as_json(full=True))

    async def delete_messages(self, request: web.Request) -> web.Response:
        self._store.clear()
        self._replies.clear()
        return web.Response(status=204)

    async def health(self, request: web.Request) -> web.Response:
        """Return the number of messages, the set-up, and the number of events.

        `refused` counts events answered with 3xx or 4xx, or never. `waiting` is 0 if no event or
        receipt is still to come.
        """
        counts = self._store.count_by_channel()
        return web.json_response(
            {
                "status": "ok",
                "emails": counts["email"],
                "sms": counts["sms"],
                "seed": self._rules.seed,
                "events_url": self._topic.url or None,
                "events": {
                    "published": self._topic.published,
                    "refused": self._topic.refused,
                    "waiting": self._feedback.waiting,
                },
            }
        )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
