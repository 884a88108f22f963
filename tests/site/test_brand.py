def test_a_readable_accent_is_not_changed(client, settings):
    settings.BRAND_ACCENT = "#0b5cad"
    css = client.get("/brand.css").content.decode()
    assert ":root{--accent:#0b5cad;--on-accent:#ffffff}" in css


def test_a_stylesheet_of_another_accent_than_its_address_names_is_not_kept(client, settings):
    settings.BRAND_ACCENT = "#0b5cad"
    assert "max-age=3600" in client.get("/brand.css?%230b5cad").headers["Cache-Control"]
    for address in ("/brand.css", "/brand.css?%23aa0000"):
        assert "max-age=0" in client.get(address).headers["Cache-Control"]
