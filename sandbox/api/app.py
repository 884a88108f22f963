"""The sandbox's own JSON API: the messages it accepted, and the faults it is to have."""

from collections.abc import Iterable

from aiohttp import web

from sandbox.net.loopback import refuse_other_hosts


def build_app(routes: Iterable[web.RouteDef]) -> web.Application:
    app = web.Application(middlewares=[refuse_other_hosts])
    app.add_routes(routes)
    return app


def problem(status: int, message: str) -> web.Response:
    """Return the answer to a wrong request, with a sentence about what is wrong."""
    return web.json_response({"error": message}, status=status)
