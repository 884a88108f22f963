"""Requests to the sandbox's HTTP ports."""

import json
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from sandbox.testing import HOST, RunningSandbox


def ask(
    sandbox: RunningSandbox, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[HTTPResponse, Any]:
    """Ask the sandbox's own API; return the answer and its content, JSON decoded."""
    return ask_port(sandbox.http_port, path, method, body, **headers)


def ask_port(
    port: int, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[HTTPResponse, Any]:
    connection = HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer, json.loads(content) if is_json else content
