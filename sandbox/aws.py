"""The AWS port: the one endpoint that boto3's clients are pointed to."""

from aiohttp import web

from sandbox.loopback import loopback_hosts_only
from sandbox.sns import Sns


def build_app(sns: Sns) -> web.Application:
    """The application that serves it, refusing whoever did not ask for a loopback host."""
    app = web.Application(middlewares=[loopback_hosts_only])
    app.add_routes([web.post("/", sns.handle)])
    return app
