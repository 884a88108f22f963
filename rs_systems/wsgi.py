"""The site as a WSGI application."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from django.core.wsgi import get_wsgi_application

from rs_systems import environment
from web.limits import most_body_bytes

Application = Callable[..., Iterable[bytes]]


def read_body(application: Application) -> Application:
    """Wrap an application: read chunked bodies for it, and refuse bodies above the limit.

    Django takes a request without a Content-Length for empty.
    """

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        most = most_body_bytes(environ.get("PATH_INFO", ""))
        if environ.get("HTTP_TRANSFER_ENCODING"):
            if not environ.get("wsgi.input_terminated"):
                # This server cannot tell where the body ends, so ask for its length.
                return _refuse(start_response, "411 Length Required")
            body = environ["wsgi.input"].read(most + 1)
            del environ["HTTP_TRANSFER_ENCODING"]
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        if int(environ.get("CONTENT_LENGTH") or 0) > most:
            return _refuse(start_response, "413 Content Too Large")
        return application(environ, start_response)

    return wrapped


def _refuse(start_response: Any, status: str) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Connection", "close")])
    return [f"{status}\n".encode()]


environment.configure()
application = read_body(get_wsgi_application())
