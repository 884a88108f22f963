def test_a_readable_accent_is_not_changed(client, settings):
    settings.BRAND_ACCENT = "#0b5cad"
    css = client.get("/brand.css").content.decode()
    assert ":root{--accent:#0b5cad;--on-accent:#ffffff}" in css
