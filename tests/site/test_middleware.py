import gzip
import logging
import re
from urllib.parse import quote

import pytest
from django.http import HttpResponse
from structlog.contextvars import get_contextvars

from apps.core.message import brand
from apps.site.middleware import RequestIdMiddleware


@pytest.mark.parametrize("path", ["/notifications/", "/nowhere/"])
def test_browsers_may_not_keep_a_page(signed_in, path):
    assert signed_in.get(path).headers["Cache-Control"] == "no-store, private"


def test_a_view_may_say_how_long_it_is_kept(client, db):
    address = f"/brand.css?{quote(brand.of_environment().accent)}"
    assert client.get(address).headers["Cache-Control"] == "public, max-age=3600"


def test_pages_are_compressed(signed_in):
    answer = signed_in.get("/notifications/", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"</html>" in gzip.decompress(answer.content)


def test_compressed_pages_differ_in_length_and_token_against_breach(signed_in):
    def page() -> tuple[int, str]:
        answer = signed_in.get("/notifications/", headers={"Accept-Encoding": "gzip"})
        found = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', gzip.decompress(answer.content))
        assert found
        return len(answer.content), found[1].decode()

    lengths, tokens = zip(*(page() for _ in range(10)), strict=True)
    assert len(set(lengths)) > 1
    assert len(set(tokens)) == 10


def test_a_request_s_sane_id_is_kept(client, db):
    answer = client.get("/login/", headers={"X-Request-ID": "1-67891233-abcdef012345678912345678"})
    assert answer["X-Request-ID"] == "1-67891233-abcdef012345678912345678"


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "two words of it", "a\tb" * 8, "é" * 9])
def test_an_other_request_gets_a_new_id(client, db, given):
    answers = [client.get("/login/", headers={"X-Request-ID": given}) for _ in range(2)]
    first, second = (answer["X-Request-ID"] for answer in answers)
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert first != second


def test_the_id_is_bound_while_the_request_is_answered(rf):
    bound = []

    def answer(request):
        bound.append(get_contextvars()["request_id"])
        return HttpResponse()

    response = RequestIdMiddleware(answer)(rf.get("/"))
    assert bound == [response["X-Request-ID"]]
    assert "request_id" not in get_contextvars()


@pytest.mark.parametrize("path", ["/nowhere/", "/repairs/1/approve/"])
def test_what_django_logs_about_a_refused_request_has_its_id(client, caplog, path):
    seen = []

    def note(record: logging.LogRecord) -> bool:
        seen.append((record, get_contextvars()))
        return True

    caplog.handler.addFilter(note)
    answer = client.put(path)
    caplog.handler.removeFilter(note)
    assert answer.status_code in (404, 405)
    [(record, bound)] = [each for each in seen if each[0].name == "django.request"]
    assert path in record.getMessage()
    assert bound["request_id"] == answer["X-Request-ID"]


@pytest.mark.parametrize("query", ["q=%00", "q=a&q=b%00c"])
def test_a_parameter_with_a_nul_is_refused(client, query):
    answer = client.get(f"/?{query}")
    assert answer.status_code == 400
    assert "NUL" in answer.content.decode()
