"""The AWS port: the one endpoint that boto3's clients are pointed to."""

from aiohttp import web

from sandbox.account_queries import AccountQueries
from sandbox.cloudwatch import SERVICE, CloudWatch
from sandbox.logs import Logs
from sandbox.loopback import loopback_hosts_only
from sandbox.ses_v2 import SesV2
from sandbox.sns import Sns


def build_app(
    sns: Sns, logs: Logs, account: AccountQueries, ses_v2: SesV2, cloudwatch: CloudWatch
) -> web.Application:
    """The application that serves it, refusing whoever did not ask for a loopback host."""

    async def handle(request: web.Request) -> web.Response:
        # CloudWatch and its Logs speak AWS's JSON protocol, which names the action in a header.
        if target := request.headers.get("X-Amz-Target"):
            service = cloudwatch if target.startswith(f"{SERVICE}.") else logs
            return await service.handle(request)
        return await account.answer(request) or await sns.handle(request)

    app = web.Application(middlewares=[loopback_hosts_only])
    app.add_routes([web.post("/", handle), *ses_v2.routes()])
    return app
