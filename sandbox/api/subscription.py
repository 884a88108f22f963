"""`/api/subscription`, and the certificate that the signatures of events are checked with."""

from aiohttp import web

from sandbox.api.app import problem
from sandbox.feedback import Feedback
from sandbox.sns.topic import Topic


class SubscriptionApi:
    def __init__(self, topic: Topic, feedback: Feedback) -> None:
        self._topic = topic
        self._feedback = feedback

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/subscription", self.show),
            web.post("/api/subscription", self.ask_to_confirm),
            web.get(self._topic.signer.certificate_path, self.certificate),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Return whether the application has confirmed its subscription."""
        return web.json_response({"confirmed": self._topic.confirmed})

    async def ask_to_confirm(self, request: web.Request) -> web.Response:
        """Send a SubscriptionConfirmation to the application."""
        if not self._topic.url:
            return problem(409, "there is no subscriber: start the sandbox with --events-url")
        self._feedback.ask_to_confirm()
        return web.json_response({"confirmed": False}, status=202)

    async def certificate(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._topic.signer.certificate, content_type="application/x-pem-file"
        )
