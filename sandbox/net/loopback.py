"""Keeps every port of the sandbox to this machine."""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, without a port, can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@web.middleware
async def refuse_other_hosts(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request for another host name: a web page could read messages by DNS rebinding."""
    try:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        host = None
    if host is None or not is_loopback(host):
        return web.json_response({"error": "the Host header must name a loopback host"}, status=403)
    return await handler(request)
