"""The AWS port: the one endpoint that boto3's clients are pointed to."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiohttp import web

from sandbox.loopback import loopback_hosts_only
from sandbox.outbound import MAX_BODY

Handle = Callable[[web.Request], Awaitable[web.Response]]
#: Answers one call of the query protocol, or None where it is somebody else's.
Answer = Callable[[web.Request], Awaitable[web.Response | None]]


def build_app(
    actions: Mapping[str, Handle], queries: Sequence[Answer], routes: Iterable[web.RouteDef]
) -> web.Application:
    """The application that serves it, refusing whoever did not ask for a loopback host.

    `actions` are those of AWS's JSON protocol, by what its header names: an action of a service,
    or the whole service. `queries` are asked in their order. `routes` are those of REST.
    """

    async def handle(request: web.Request) -> web.Response:
        if target := request.headers.get("X-Amz-Target"):
            action = actions.get(target) or actions.get(target.partition(".")[0])
            return await action(request) if action else _unknown(target)
        for query in queries:
            if answer := await query(request):
                return answer
        return _unknown("the call")

    app = web.Application(middlewares=[loopback_hosts_only], client_max_size=MAX_BODY)
    app.add_routes([web.post("/", handle), *routes])
    return app


def _unknown(what: str) -> web.Response:
    message = f"the sandbox has no stand-in for {what}"
    return web.json_response(
        {"__type": "UnknownOperationException", "message": message}, status=400
    )
