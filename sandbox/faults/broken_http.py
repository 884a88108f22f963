"""Broken HTTP answers, such as a proxy or a failing server sends instead of AWS's."""

from aiohttp import web

from sandbox.faults.rule import Answer, answer_only

#: Well-formed, so an XML parser accepts it.
_HTML = "<html><head><title>Sign in</title></head><body>Sign in to the network</body></html>"


async def broken_answer(
    good: web.Response, answer: Answer, request: web.Request
) -> web.StreamResponse:
    """Return a broken answer in place of a good one."""
    match answer_only(answer):
        case "garbage":
            return web.Response(body=b"\x89\x00\xff\xfe{]<", content_type=good.content_type)
        case "empty":
            return web.Response(content_type=good.content_type)
        case "html":
            return web.Response(text=_HTML, content_type="text/html")
        case "redirect":
            return web.Response(status=307, headers={"Location": f"http://{request.host}/moved"})
        case "cut":
            return await _cut(good, request)
    raise ValueError(f"{answer} is not an HTTP answer")


async def _cut(good: web.Response, request: web.Request) -> web.StreamResponse:
    """Promise the whole body, send its first half, and close the connection."""
    assert isinstance(good.body, bytes)
    cut = web.StreamResponse(headers={"Content-Type": good.content_type})
    cut.content_length = len(good.body)
    await cut.prepare(request)
    await cut.write(good.body[: len(good.body) // 2])
    if request.transport:
        request.transport.close()
    return cut
