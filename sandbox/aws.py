"""The AWS port: the one endpoint that boto3's clients are pointed to."""

from aiohttp import web

from sandbox.account_queries import AccountQueries
from sandbox.cloudformation import CloudFormation
from sandbox.logs import Logs
from sandbox.loopback import loopback_hosts_only
from sandbox.outbound import MAX_BODY, Outbound
from sandbox.ses_v2 import SesV2
from sandbox.sns import Sns


def build_app(
    sns: Sns,
    logs: Logs,
    account: AccountQueries,
    stacks: CloudFormation,
    ses_v2: SesV2,
    outbound: Outbound,
) -> web.Application:
    """The application that serves it, refusing whoever did not ask for a loopback host."""

    async def handle(request: web.Request) -> web.Response:
        # CloudWatch Logs speaks AWS's JSON protocol, which names the action in a header.
        if "X-Amz-Target" in request.headers:
            return await logs.handle(request)
        answer = await account.answer(request) or await stacks.answer(request)
        return answer or await sns.handle(request)

    app = web.Application(middlewares=[loopback_hosts_only], client_max_size=MAX_BODY)
    app.add_routes([web.post("/", handle), *ses_v2.routes(), *outbound.routes()])
    return app
