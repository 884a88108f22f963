import pytest

from apps.site.sign_in import NOTHING, SIGNED_OUT


def test_signing_out_needs_a_post(signed_in):
    assert signed_in.get("/logout/").status_code == 405
    assert signed_in.post("/logout/").headers["Location"] == "/login/"


def test_a_wrong_password_shows_an_alert(client, db):
    answer = client.post("/login/", {"username": "nobody", "password": "wrong"})
    assert 'role="alert"' in answer.content.decode()


def test_htmx_of_an_expired_session_goes_to_sign_in_and_back_to_its_page(client, db):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/batches/1/?a=b"}
    answer = client.post("/batches/1/approve/", headers=headers)
    assert answer.headers["HX-Redirect"] == "/login/?next=/batches/1/%3Fa%3Db"
    assert SIGNED_OUT.format("B-1001 was not approved") in client.get("/login/").content.decode()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/repairs/125/approve/", "R-1125 was not approved"),
        ("/repairs/125/deny/", "R-1125 was not denied"),
        ("/repairs/125/complete/", "R-1125 was not completed"),
        ("/notifications/read-all/", NOTHING),
    ],
)
def test_a_post_of_an_expired_session_signs_in_and_says_what_was_not_done(client, db, path, said):
    headers = {"Referer": "http://testserver/repairs/1/"}
    answer = client.post(path, {"reason": "sold"}, headers=headers)
    assert answer.headers["Location"] == "/login/?next=/repairs/1/"
    assert SIGNED_OUT.format(said) in client.get("/login/").content.decode()


@pytest.mark.parametrize(
    "page", ["", "https://evil.example/x", "//evil.example", "http://[", "javascript:x"]
)
def test_sign_in_leads_to_no_page_of_another_site(client, db, page):
    for name in ("Referer", "HX-Current-URL"):
        answer = client.post("/repairs/1/approve/", headers={name: page})
        assert answer.headers["Location"] == "/login/?next=/"


def test_a_page_of_an_expired_session_asks_to_sign_in_without_a_warning(client, db):
    assert client.get("/repairs/1/").headers["Location"] == "/login/?next=/repairs/1/"
    assert "You were signed out" not in client.get("/login/").content.decode()


def test_the_sign_in_page_needs_no_query(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/login/")
