"""`/api/account`, `/api/opt-outs` and `/api/metrics`: the AWS account that the sandbox plays."""

from aiohttp import web
from pydantic import ValidationError

from sandbox.account.settings import AwsAccount
from sandbox.api.app import problem
from sandbox.cloudwatch.put_metric_data import PutMetricData
from sandbox.json_input import Strict
from sandbox.sns.sms import is_number


class AccountApi:
    def __init__(
        self, account: AwsAccount, opted_out: set[str], published_metrics: PutMetricData
    ) -> None:
        self._account = account
        self._opted_out = opted_out
        self._published_metrics = published_metrics

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/account", self.show),
            web.patch("/api/account", self.change),
            web.delete("/api/account", self.reset),
            web.post("/api/opt-outs", self.opt_out),
            web.delete("/api/opt-outs/{phone}", self.opt_in),
            web.get("/api/metrics", self.metrics),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self._account.now.model_dump(mode="json"))

    async def change(self, request: web.Request) -> web.Response:
        """Change the fields in the body; the others stay."""
        try:
            self._account.patch(await request.read())
        except ValueError as error:
            return problem(400, str(error))
        return await self.show(request)

    async def reset(self, request: web.Request) -> web.Response:
        self._account.reset()
        return web.Response(status=204)

    async def opt_out(self, request: web.Request) -> web.Response:
        """Opt a number out, as if its owner had answered STOP: `{"phone": NUMBER}`."""
        try:
            phone = _Phone.model_validate_json(await request.read()).phone
        except ValidationError:
            phone = ""
        if not is_number(phone):
            return problem(400, 'the body must be {"phone": NUMBER}, the number in E.164')
        self._opted_out.add(phone)
        return web.json_response({"phone": phone}, status=201)

    async def opt_in(self, request: web.Request) -> web.Response:
        phone = request.match_info["phone"]
        if phone not in self._opted_out:
            return problem(404, "that number is not opted out")
        self._opted_out.discard(phone)
        return web.Response(status=204)

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the newest value of each metric that the application published."""
        return web.json_response({"metrics": self._published_metrics.newest()})


class _Phone(Strict):
    phone: str
