"""What the sandbox is told to do, over the HTTP port."""

from typing import Any

from aiohttp import web

from sandbox import rules as reading
from sandbox.listener import Doors
from sandbox.loopback import problem
from sandbox.rules import Rules


class Control:
    """The handlers of `/api/rules`."""

    def __init__(self, rules: Rules, doors: Doors) -> None:
        self._rules = rules
        self._doors = doors

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get("/api/rules", self.list_rules),
            web.post("/api/rules", self.add_rule),
            web.delete("/api/rules", self.end_rules),
            web.delete(r"/api/rules/{id:\d{1,9}}", self.end_rule),
        ]

    def health(self) -> dict[str, Any]:
        """How the sandbox is set."""
        return {"seed": self._rules.seed}

    async def list_rules(self, request: web.Request) -> web.Response:
        """The rules in force, the newest last."""
        return web.json_response({"rules": [rule.as_json() for rule in self._rules.in_force()]})

    async def add_rule(self, request: web.Request) -> web.Response:
        """Put one in force: by the time of the answer it is."""
        try:
            new = reading.read(await request.read())
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
