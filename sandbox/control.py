"""What the sandbox is told to do, over the HTTP port."""

from typing import Any

from aiohttp import web
from pydantic import ValidationError

from sandbox import new_rule
from sandbox.account import AwsAccount
from sandbox.cloudwatch import CloudWatch
from sandbox.listener import Doors
from sandbox.loopback import problem
from sandbox.new_rule import Strict
from sandbox.reports import Reporter
from sandbox.rules import Rules
from sandbox.sms import is_number
from sandbox.topic import Topic


class Control:
    """The handlers of `/api/` that change what the sandbox does."""

    def __init__(
        self,
        rules: Rules,
        doors: Doors,
        topic: Topic,
        reporter: Reporter,
        opted_out: set[str],
        account: AwsAccount,
        cloudwatch: CloudWatch,
    ) -> None:
        self._rules = rules
        self._doors = doors
        self._topic = topic
        self._reporter = reporter
        self._opted_out = opted_out
        self._account = account
        self._cloudwatch = cloudwatch

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get("/api/rules", self.list_rules),
            web.post("/api/rules", self.add_rule),
            web.delete("/api/rules", self.end_rules),
            web.delete(r"/api/rules/{id:\d{1,9}}", self.end_rule),
            web.post("/api/opt-outs", self.opt_out),
            web.delete("/api/opt-outs/{phone}", self.opt_in),
            web.get("/api/account", self.account),
            web.patch("/api/account", self.change_account),
            web.delete("/api/account", self.reset_account),
            web.get("/api/metrics", self.metrics),
            web.get("/api/subscription", self.subscription),
            web.post("/api/subscription", self.ask_to_confirm),
            web.get(self._topic.signer.certificate_path, self.certificate),
        ]

    @property
    def waiting(self) -> int:
        """How many reports about messages are still to come."""
        return self._reporter.waiting

    def health(self) -> dict[str, Any]:
        """How the sandbox is set, and how many events it has told of.

        `refused` are those that were answered with a 3xx or 4xx, or never; `waiting` is 0 when
        nothing is left to be told.
        """
        events = {
            "published": self._topic.published,
            "refused": self._topic.refused,
            "waiting": self.waiting,
        }
        return {
            "seed": self._rules.seed,
            "events_url": self._topic.url or None,
            "events": events,
        }

    async def list_rules(self, request: web.Request) -> web.Response:
        """The rules in force, the newest last."""
        return web.json_response({"rules": [rule.as_json() for rule in self._rules.in_force()]})

    async def add_rule(self, request: web.Request) -> web.Response:
        """Put one in force: by the time of the answer it is."""
        try:
            new = new_rule.read(await request.read())
        except ValueError as error:
            return problem(400, str(error))
        rule = self._rules.add(new)
        if new.answer == "refuse":
            await self._doors.settle()
            if new.for_s:
                self._doors.settle_after(new.for_s)
        return web.json_response(rule.as_json(), status=201)

    async def end_rules(self, request: web.Request) -> web.Response:
        """End all of them."""
        self._rules.clear()
        await self._doors.settle()
        return web.Response(status=204)

    async def end_rule(self, request: web.Request) -> web.Response:
        """End one of them."""
        if not self._rules.end(int(request.match_info["id"])):
            return problem(404, "no such rule is in force")
        await self._doors.settle()
        return web.Response(status=204)

    async def opt_out(self, request: web.Request) -> web.Response:
        """`{"phone": NUMBER}`: that number has answered STOP."""
        try:
            phone = _Phone.model_validate_json(await request.read()).phone
        except ValidationError:
            phone = ""
        if not is_number(phone):
            return problem(400, 'the body must be {"phone": NUMBER}, the number in E.164')
        self._opted_out.add(phone)
        return web.json_response({"phone": phone}, status=201)

    async def opt_in(self, request: web.Request) -> web.Response:
        """That number may be texted again."""
        phone = request.match_info["phone"]
        if phone not in self._opted_out:
            return problem(404, "that number is not opted out")
        self._opted_out.discard(phone)
        return web.Response(status=204)

    async def account(self, request: web.Request) -> web.Response:
        """How the AWS account is set up."""
        return web.json_response(self._account.now.model_dump(mode="json"))

    async def change_account(self, request: web.Request) -> web.Response:
        """Set the fields that the body has; the others stay."""
        try:
            self._account.patch(await request.read())
        except ValueError as error:
            return problem(400, str(error))
        return await self.account(request)

    async def reset_account(self, request: web.Request) -> web.Response:
        """Set it up as it should be."""
        self._account.reset()
        return web.Response(status=204)

    async def metrics(self, request: web.Request) -> web.Response:
        """The newest value of each metric that was published to CloudWatch."""
        return web.json_response({"metrics": self._cloudwatch.newest()})

    async def subscription(self, request: web.Request) -> web.Response:
        """Whether the application has confirmed its subscription."""
        return web.json_response({"confirmed": self._topic.confirmed})

    async def ask_to_confirm(self, request: web.Request) -> web.Response:
        """Send it a SubscriptionConfirmation."""
        if not self._topic.url:
            return problem(409, "there is no subscriber: start the sandbox with --events-url")
        self._reporter.ask_to_confirm()
        return web.json_response({"confirmed": False}, status=202)

    async def certificate(self, request: web.Request) -> web.Response:
        """What the signatures of events are checked with."""
        return web.Response(
            body=self._topic.signer.certificate, content_type="application/x-pem-file"
        )


class _Phone(Strict):
    phone: str
