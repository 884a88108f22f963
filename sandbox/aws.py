"""The AWS port: the one endpoint that boto3's clients are pointed to."""

from aiohttp import web

from sandbox.logs import Logs
from sandbox.loopback import loopback_hosts_only
from sandbox.sns import Sns


def build_app(sns: Sns, logs: Logs) -> web.Application:
    """The application that serves it, refusing whoever did not ask for a loopback host."""

    async def handle(request: web.Request) -> web.Response:
        # CloudWatch Logs speaks AWS's JSON protocol, which names the action in a header.
        is_json = "X-Amz-Target" in request.headers
        return await (logs.handle(request) if is_json else sns.handle(request))

    app = web.Application(middlewares=[loopback_hosts_only])
    app.add_routes([web.post("/", handle)])
    return app
