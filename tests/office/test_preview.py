from django.http import HttpResponse

from apps.office import preview
from apps.office.preview import Scheme

EMAIL = """<meta name="color-scheme" content="light dark">
<style>:root{color-scheme:light dark}
@media screen and (prefers-color-scheme: dark){p{color:#fff}}
@media (prefers-color-scheme:dark){h1{color:#eee}}</style>"""


def test_a_frame_runs_nothing_and_loads_pictures_of_this_site_only(settings):
    settings.SITE_URL = "https://rs.example/app"
    answer = preview.framed("<script>steal()</script>")
    policy = answer["Content-Security-Policy"].split("; ")
    assert policy[0] == "sandbox"
    assert "default-src 'none'" in policy
    assert "img-src data: 'self' https://rs.example" in policy
    assert not any(each.startswith(("script-src", "connect-src")) for each in policy)
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_a_page_of_ours_in_a_frame_has_no_inline_style(settings):
    settings.SITE_URL = "https://rs.example"
    policy = preview.frameable(HttpResponse("x"))["Content-Security-Policy"]
    assert "style-src 'self' https://rs.example;" in policy
    assert "unsafe-inline" not in policy


def test_the_preview_has_its_own_color_scheme():
    dark, light = (preview.in_scheme(EMAIL, scheme) for scheme in (Scheme.DARK, Scheme.LIGHT))
    assert "@media screen and (min-width:0){p" in dark
    assert "@media (min-width:0){h1" in dark
    assert "@media screen and (max-width:0){p" in light
    assert 'content="dark"' in dark
    assert "color-scheme:light}" in light
