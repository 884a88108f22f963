"""The AWS port: the one endpoint that boto3's clients are pointed to."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiohttp import web

from sandbox.net import json_protocol, query_protocol
from sandbox.net.loopback import refuse_other_hosts
from sandbox.net.query_protocol import Service

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(
    targets: Mapping[str, Handle],
    services: Sequence[Service],
    routes: Iterable[web.RouteDef],
    max_body: int,
) -> web.Application:
    """Return the application that serves the port.

    `targets` are handlers of the JSON protocol, by X-Amz-Target: an action, or a whole service.
    `services` speak the query protocol and are asked in order. `routes` are those of SES's API.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        if target := request.headers.get("X-Amz-Target"):
            handler = targets.get(target) or targets.get(target.partition(".")[0])
            return await handler(request) if handler else _unknown(target)
        call = await query_protocol.read(request)
        for service in services:
            if answer := await service.answer(call):
                return answer
        return _unknown(call.action)

    app = web.Application(middlewares=[refuse_other_hosts], client_max_size=max_body)
    app.add_routes([web.post("/", handle), *routes])
    return app


def _unknown(what: str) -> web.Response:
    return json_protocol.refusal(
        "UnknownOperationException", f"the sandbox has no stand-in for {what}"
    )
