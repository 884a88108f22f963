"""What both HTTP ports have in common: they serve this machine alone."""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without a port, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@web.middleware
async def loopback_hosts_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request addressed to another name: a page using DNS rebinding to read the mail."""
    try:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        host = None
    if host is None or not is_loopback(host):
        return problem(403, "the Host header must name a loopback host")
    return await handler(request)


def problem(status: int, message: str) -> web.Response:
    """The answer that says what was wrong with a request."""
    return web.json_response({"error": message}, status=status)
