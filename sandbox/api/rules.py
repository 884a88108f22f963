"""`/api/rules`: the faults that the sandbox is to have."""

from aiohttp import web

from sandbox.api.app import problem
from sandbox.faults import rule as rules_input
from sandbox.faults.port_switch import PortSwitch
from sandbox.faults.rules import Rules


class RulesApi:
    def __init__(self, rules: Rules, ports: PortSwitch) -> None:
        self._rules = rules
        self._ports = ports

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/rules", self.list_rules),
            web.post("/api/rules", self.add_rule),
            web.delete("/api/rules", self.end_rules),
            web.delete(r"/api/rules/{id:\d{1,9}}", self.end_rule),
        ]

    async def list_rules(self, request: web.Request) -> web.Response:
        return web.json_response({"rules": [each.as_json() for each in self._rules.in_force()]})

    async def add_rule(self, request: web.Request) -> web.Response:
        """Put a rule in force before answering."""
        try:
            rule = rules_input.read(await request.read())
        except ValueError as error:
            return problem(400, str(error))
        active = self._rules.add(rule)
        if rule.answer == "refuse":
            await self._ports.update()
            if rule.for_s:
                self._ports.update_after(rule.for_s)
        return web.json_response(active.as_json(), status=201)

    async def end_rules(self, request: web.Request) -> web.Response:
        self._rules.clear()
        await self._ports.update()
        return web.Response(status=204)

    async def end_rule(self, request: web.Request) -> web.Response:
        if not self._rules.end(int(request.match_info["id"])):
            return problem(404, "no such rule is in force")
        await self._ports.update()
        return web.Response(status=204)
