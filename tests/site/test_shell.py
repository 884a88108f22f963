def test_an_unknown_page_is_a_designed_404(signed_in):
    answer = signed_in.get("/nowhere/")
    assert answer.status_code == 404
    assert "Page not found" in answer.content.decode()


def test_the_500_page_needs_no_database(client, monkeypatch):
    monkeypatch.setattr("django.db.connection.cursor", lambda: 1 / 0)
    client.raise_request_exception = False
    answer = client.get("/healthz")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()


def test_the_sign_in_page_shows_the_brand(client, db, settings):
    settings.BRAND_NAME = "Glass & Sons"
    assert "Glass &amp; Sons" in client.get("/login/").content.decode()


def test_healthz_queries_the_database(client, django_assert_num_queries, db):
    with django_assert_num_queries(1):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")
