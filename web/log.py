"""gunicorn's access log."""

from string import punctuation
from typing import Any
from urllib.parse import quote

from gunicorn.glogging import Logger as GunicornLogger


class Logger(GunicornLogger):
    """Write the path as it came: decoded, a line break in it forges a line of the log."""

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> Any:
        found = super().atoms(resp, req, environ, request_time)
        path = str(environ.get("RAW_URI", "")).partition("?")[0]
        # gunicorn also logs what it refused, which may have any character.
        found["U"] = quote(path, safe=punctuation)
        return found
