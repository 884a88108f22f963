def test_signing_out_needs_a_post(signed_in):
    assert signed_in.get("/logout/").status_code == 405
    assert signed_in.post("/logout/").headers["Location"] == "/login/"


def test_a_wrong_password_shows_an_alert(client, db):
    answer = client.post("/login/", {"username": "nobody", "password": "wrong"})
    assert 'role="alert"' in answer.content.decode()


def test_htmx_is_redirected_to_the_sign_in_page(client, db):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/batches/1/"}
    answer = client.get("/login/?next=/batches/1/approve/", headers=headers)
    assert answer.headers["HX-Redirect"] == "/login/?next=/batches/1/"


def test_the_sign_in_page_needs_no_query(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/login/")
