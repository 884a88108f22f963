"""Measure the approve request while each call to a provider takes two seconds.

The same requests are measured with a provider that answers at once. The ratio of the two medians
should be about 1: a slow provider must not slow the person who clicks.
"""

import http.client
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

from tools.stack import Stack, running_stack

REQUESTS = 60
WARM_UP = 5
SLOW_S = 2.0


def measure() -> dict[str, float]:
    """Return the ratio of the request's median duration to that with a fast provider."""
    slow, fast = (_durations(latency_s) for latency_s in (SLOW_S, 0.0))
    return {"approve_ratio": statistics.median(slow) / statistics.median(fast)}


def _durations(latency_s: float) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="rs-bench-") as folder:
        var = Path(folder)
        with running_stack(var, SANDBOX_LATENCY=str(latency_s)) as stack:
            return list(_approvals(stack, _waiting_repairs(stack)))[WARM_UP:]


def _waiting_repairs(stack: Stack) -> list[int]:
    """Create repairs that wait for the demo's fleet manager; return their keys."""
    code = (
        "from decimal import Decimal\n"
        "from apps.repairs.models import Damage, FleetUnit, Position, Profile\n"
        "from apps.repairs.requesting import request_repair\n"
        "manager = Profile.objects.get(user__username='maria')\n"
        "technician = Profile.objects.get(user__username='jane')\n"
        "unit = FleetUnit.objects.filter(company=manager.company).first()\n"
        f"for _ in range({REQUESTS + WARM_UP}):\n"
        "    repair = request_repair(by=technician, unit=unit, damage=Damage.CHIP,\n"
        "                            position=Position.CENTER, estimate=Decimal('120.00'))\n"
        "    print('repair', repair.pk)\n"
    )
    printed = stack.shell(code)
    return [int(pk) for pk in re.findall(r"repair (\d+)", printed)]


def _approvals(stack: Stack, repairs: list[int]) -> Iterator[float]:
    port = int(stack.environment["PORT_WEB"])
    with closing(http.client.HTTPConnection("localhost", port)) as connection:
        browser = _Browser(connection)
        browser.sign_in("maria", "demo")
        for pk in repairs:
            started = time.perf_counter()
            status = browser.post(f"/repairs/{pk}/approve/")
            yield (time.perf_counter() - started) * 1000
            assert status == 302, f"approving repair {pk} answered {status}"


class _Browser:
    """Keeps cookies, and sends the CSRF token."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._cookies: dict[str, str] = {}

    def sign_in(self, username: str, password: str) -> None:
        self._request("GET", "/login/")
        status = self.post("/login/", username=username, password=password)
        assert status == 302, f"signing in answered {status}"

    def post(self, path: str, **fields: str) -> int:
        token = {"csrfmiddlewaretoken": self._cookies["csrftoken"]}
        return self._request("POST", path, urlencode(fields | token))

    def _request(self, method: str, path: str, body: str = "") -> int:
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        response.read()
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return response.status
