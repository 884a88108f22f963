import gzip
import re

import pytest


@pytest.mark.parametrize("path", ["/notifications/", "/nowhere/"])
def test_browsers_may_not_keep_a_page(signed_in, path):
    assert signed_in.get(path).headers["Cache-Control"] == "no-store, private"


def test_a_view_may_say_how_long_it_is_kept(client):
    assert client.get("/brand.css").headers["Cache-Control"] == "public, max-age=3600"


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
