"""The answers of AWS's JSON protocols: CloudWatch, CloudWatch Logs and SES's API."""

from typing import Any
from uuid import uuid4

from aiohttp import web


def answer(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(
        document,
        status=status,
        content_type="application/x-amz-json-1.1",
        headers={"x-amzn-RequestId": str(uuid4())},
    )


def refusal(code: str, message: str, status: int = 400) -> web.Response:
    """Return an error answer; boto3 reads `code` from the body or from one of two headers."""
    response = answer({"__type": code, "message": message}, status)
    response.headers["x-amzn-ErrorType"] = code
    response.headers["x-amzn-query-error"] = f"{code};Sender"
    return response


def access_denied(action: str, code: str = "AccessDenied") -> web.Response:
    """Return the answer to a caller without the IAM permission `action`."""
    return refusal(code, f"User is not authorized to perform: {action}", 403)
