"""What a browser needs to put the site on a home screen, and what it may keep."""

import json
import re

from django.contrib.staticfiles import finders
from django.templatetags.static import static
from PIL import Image

from tools import icons


def test_the_manifest_names_the_brand_and_icons_that_exist(client, settings, db):
    settings.BRAND_NAME = "Glass & Sons"
    answer = client.get("/manifest.webmanifest")
    assert answer.headers["Content-Type"] == "application/manifest+json"
    manifest = json.loads(answer.content)
    assert (manifest["name"], manifest["start_url"], manifest["display"]) == (
        "Glass & Sons",
        "/",
        "standalone",
    )
    assert {(each["sizes"], each["purpose"]) for each in manifest["icons"]} == {
        (f"{size}x{size}", purpose) for size in (192, 512) for purpose in ("any", "maskable")
    }
    for icon in manifest["icons"]:
        path = finders.find(icon["src"].removeprefix(static("")))
        assert path
        with Image.open(path) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]


def test_the_committed_icons_are_those_that_the_script_draws(tmp_path):
    icons.write(tmp_path)
    for drawn in tmp_path.iterdir():
        with Image.open(drawn) as new, Image.open(icons.FOLDER / drawn.name) as committed:
            assert new.tobytes() == committed.tobytes()


def test_the_offline_page_has_nobodys_data(signed_in):
    shown = signed_in.get("/offline/").content.decode()
    assert "This device is offline" in shown
    assert "data-user" not in shown
    assert 'id="bell"' not in shown


def test_the_worker_keeps_the_offline_page_and_its_looks_alone(client, db):
    answer = client.get("/worker.js")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.headers["Cache-Control"] == "no-cache"
    [files] = re.findall(r"const FILES = \[(.*)\];", answer.content.decode())
    kept = ["OFFLINE", *(f'"{static(name)}"' for name in ("app.css", "icons.svg")), '"/brand.css"']
    assert files.split(", ") == kept


def test_the_policy_allows_the_worker_and_the_manifest_of_this_site(client, db):
    page = client.get("/login/")
    policy = page.headers["Content-Security-Policy"]
    assert "worker-src 'self'" in policy
    assert "manifest-src 'self'" in policy
    assert '<link rel="manifest" href="/manifest.webmanifest">' in page.content.decode()
