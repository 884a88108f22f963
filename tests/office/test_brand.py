"""The office's page of the brand."""

import io
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from PIL import Image, ImageDraw

from apps.core.message import brand
from apps.core.models import BrandLogo, BrandVersion
from apps.repairs.models import Company

PAGE = "/office/brand/"
PREVIEW = "/office/brand/preview/"
FIELDS = dict.fromkeys((*brand.FIELDS, "links_text", "why"), "")


@pytest.fixture
def office(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("sam", first_name="Sam"))
    return client


@pytest.fixture
def company(db: None) -> Company:
    return Company.objects.create(name="Redwood Freight")


@pytest.fixture
def save(office: Client, django_capture_on_commit_callbacks: Any) -> Any:
    """Posts the form, after the version that the page shows."""

    def post(path: str = PAGE, after: int | None = None, **fields: Any) -> Any:
        if after is None:
            group = path.removeprefix(PAGE).strip("/")
            after = BrandVersion.objects.filter(group=group).count()
        with django_capture_on_commit_callbacks(execute=True):
            return office.post(path, {**FIELDS, "after": after, **fields})

    return post


def picture(name: str = "logo.png", size: tuple[int, int] = (300, 100)) -> io.BytesIO:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((10, 10, size[0] // 2, size[1] - 10), fill="navy")
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    file.name = name
    return file


def test_what_is_saved_is_in_effect_at_once(office: Client, save: Any) -> None:
    answer = save(
        name="Glass & Sons",
        accent="#fc0",
        phone="+1 312 555 0148",
        links_text="Help: https://www.example.com/help\r\nTerms https://www.example.com/terms",
        why="A new name",
    )
    assert answer.status_code == 302
    shown = brand.current()
    assert (shown.name, shown.accent, shown.phone) == ("Glass & Sons", "#ffcc00", "+1 312 555 0148")
    assert shown.links == (
        ("Help", "https://www.example.com/help"),
        ("Terms", "https://www.example.com/terms"),
    )
    page = office.get(PAGE).content.decode()
    assert "Glass &amp; Sons" in page
    assert "Version 1" in page
    assert "Changed: name, accent color, office phone, links" in page
    assert "A new name" in page
    assert "#ffcc00 is hard to read on light grounds" in page
    assert shown.accent_on_light in office.get("/brand.css").content.decode()


@pytest.mark.parametrize(
    ("field", "value", "advice"),
    [
        ("accent", "navy", "#0b5cad"),
        ("accent", "#0b5cad;}", "at most 7 characters"),
        ("phone", "312 555 0148", "country code"),
        ("phone", "+1 312 CALL NOW", "country code"),
        ("phone", "+1 2", "country code"),
        ("reply_to", "office", "office@example.com"),
        ("reply_to", "büro@example.com", "office@example.com"),
        ("reply_to", "a@example.com, b@example.com", "office@example.com"),
        ("name", "x" * 41, "at most 40 characters"),
        ("links_text", "Help: http://www.example.com", "https://www.example.com"),
        ("links_text", "Help: javascript:alert(1)", "https://www.example.com"),
        ("sender_name", "Glass Co <boss@bank.example>", "without an address"),
        ("links_text", "https://www.example.com", "Give each link a label"),
        ("links_text", "A: https://user@example.com", "is no address"),
        ("links_text", "\n".join(["Help: https://www.example.com"] * 5), "at most 4 links"),
    ],
)
def test_nonsense_is_refused_with_what_to_write(
    save: Any, field: str, value: str, advice: str
) -> None:
    answer = save(**{field: value})
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [field]
    assert advice in str(answer.context["form"].errors[field])
    assert not BrandVersion.objects.exists()


def test_a_line_break_in_a_sender_s_name_is_gone(save: Any) -> None:
    save(sender_name="Glass\r\nBcc: office")
    assert brand.current().sender_name == "Glass Bcc: office"


def test_what_says_the_same_is_no_new_version(save: Any) -> None:
    links = "Help: https://www.example.com\r\nTerms: https://www.example.com/terms"
    save(name="Glass Co", links_text=links)
    save(name="Glass Co", links_text=links)
    assert BrandVersion.objects.count() == 1


def test_an_earlier_version_is_used_again_by_one_click(
    office: Client, save: Any, django_capture_on_commit_callbacks: Any
) -> None:
    save(name="Glass Co", logo_file=picture())
    save(name="Glass Ltd", remove_logo="on")
    assert brand.current().logo_url == ""
    first = BrandVersion.objects.get(number=1)
    with django_capture_on_commit_callbacks(execute=True):
        answer = office.post(f"/office/brand/again/{first.pk}/")
    assert answer.headers["Location"] == PAGE
    newest = BrandVersion.objects.get(number=3)
    assert (newest.name, newest.why, newest.by.username) == (  # type: ignore[union-attr]
        "Glass Co",
        "Version 1 again",
        "sam",
    )
    assert brand.current().name == "Glass Co"
    assert brand.current().logo_url.endswith(f"/brand/logo/{first.logo_id}.png")
    assert BrandLogo.objects.count() == 1


def test_using_again_needs_a_post(office: Client, save: Any) -> None:
    save(name="Glass Co")
    pk = BrandVersion.objects.get().pk
    assert office.get(f"/office/brand/again/{pk}/").status_code == 405


def test_who_comes_second_is_told_and_replaces_nothing(save: Any) -> None:
    save(name="Glass Co")
    answer = save(after=0, name="Glass Ltd")
    assert answer.status_code == 200
    assert "Somebody else changed the brand" in answer.content.decode()
    assert brand.current().name == "Glass Co"
    # The page that tells so has the newest number, and what was typed.
    page = answer.content.decode()
    assert 'name="after" value="1"' in page
    assert 'value="Glass Ltd"' in page
    assert save(after=1, name="Glass Ltd").status_code == 302
    assert brand.current().name == "Glass Ltd"


def test_who_comes_second_is_told_after_an_error_too(save: Any) -> None:
    save(name="Glass Co")
    page = save(after=0, name="Glass Ltd", accent="red").content.decode()
    assert 'name="after" value="0"' in page
    answer = save(after=0, name="Glass Ltd")
    assert "Somebody else changed the brand" in answer.content.decode()
    assert brand.current().name == "Glass Co"


def test_a_company_s_brand_is_its_own(office: Client, save: Any, company: Company) -> None:
    group = f"company:{company.pk}"
    save(name="Glass Co", accent="#123456")
    save(f"{PAGE}{group}/", name="Redwood's Glass")
    assert brand.current().name == "Glass Co"
    assert (brand.current([group]).name, brand.current([group]).accent) == (
        "Redwood's Glass",
        "#123456",
    )
    assert "has its own" in office.get(PAGE).content.decode()
    page = office.get(f"{PAGE}{group}/").content.decode()
    assert "Redwood Freight" in page
    assert "Empty: #123456." in page
    assert "On every page" not in page


def test_a_company_can_have_none_of_what_it_would_inherit(
    office: Client, save: Any, company: Company
) -> None:
    group = f"company:{company.pk}"
    save(support_hours="8 to 6", footer="Members of the guild.", links_text="Help: https://x.com/h")
    page = office.get(f"{PAGE}{group}/").content.decode()
    for inherited in ("8 to 6", "Members of the guild", "Help"):
        assert f"Empty: {inherited}. For none, write -" in page
    fields = dict.fromkeys(("support_hours", "footer", "links_text"), " - ")
    assert save(f"{PAGE}{group}/", **fields).status_code == 302
    shown = brand.current([group])
    assert (shown.support_hours, shown.footer, shown.links) == ("", "", ())
    assert brand.current().footer == "Members of the guild."
    # The next version begins with the same.
    page = office.get(f"{PAGE}{group}/").content.decode()
    assert page.count('value="-"') == 2
    assert ">\n-</textarea>" in page


def test_a_phone_cannot_be_none(save: Any) -> None:
    assert "as in +1 312 555 0148" in save(phone="-").content.decode()


@pytest.mark.parametrize(("name", "costs_more"), [("Ñandú & Co “Glass”", False), ("Glaß 😀", True)])
def test_a_name_that_makes_text_messages_longer_says_so(
    office: Client, save: Any, name: str, costs_more: bool
) -> None:
    assert save(name=name).status_code == 302
    for shown in (office.get(PAGE), office.post(PREVIEW, {**FIELDS, "after": 1, "name": name})):
        assert ("alphabet of text messages" in shown.content.decode()) is costs_more


@pytest.mark.parametrize("group", ["company:0", "role:manager", "x"])
def test_what_is_no_company_has_no_page(office: Client, company: Company, group: str) -> None:
    assert office.get(f"{PAGE}{group}/").status_code == 404
    assert office.post(PREVIEW, {**FIELDS, "after": 0, "group": group}).status_code == 404


@pytest.mark.parametrize("path", [PAGE, PREVIEW])
def test_only_the_office_may_see_it(client: Client, db: None, path: str) -> None:
    assert client.get(path).headers["Location"].startswith("/login/")
    jane = User.objects.create_user("jane")
    client.force_login(jane)
    assert client.get(path).status_code == 403
    assert client.post(path, FIELDS).status_code == 403
    jane.user_permissions.add(Permission.objects.get(codename="add_brandversion"))
    assert client.get(path).status_code == 403
    User.objects.filter(pk=jane.pk).update(is_staff=True)
    assert client.get(path).status_code == 200


def test_only_the_office_may_use_a_version_again(client: Client, db: None) -> None:
    version = BrandVersion.objects.create(number=1, name="Glass Co")
    client.force_login(User.objects.create_user("jane", is_staff=True))
    assert client.post(f"/office/brand/again/{version.pk}/").status_code == 403
    assert BrandVersion.objects.count() == 1


def test_a_post_from_another_site_is_refused(office: Client) -> None:
    strict = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
    strict.cookies = office.cookies
    assert strict.post(PAGE, {**FIELDS, "after": 0, "name": "Mine"}).status_code == 403
    assert not BrandVersion.objects.exists()


# --- The preview --------------------------------------------------------------------------------
def test_the_preview_shows_what_is_not_saved(office: Client) -> None:
    fields = {**FIELDS, "after": 0, "name": "<b>Glass</b>", "accent": "#aa0000", "phone": "x"}
    answer = office.post(PREVIEW, {**fields, "logo_file": picture(), "kind": "repair_denied"})
    html = answer.content.decode()
    assert "&lt;b&gt;Glass&lt;/b&gt;" in html
    assert "<b>Glass" not in html
    assert 'bgcolor="#aa0000"' in html
    assert re.search(r'<img [^>]*src="data:image/png;base64,[^"]+" alt="&lt;b&gt;Glass', html)
    assert not BrandVersion.objects.exists()
    assert not BrandLogo.objects.exists()


def test_the_preview_leaves_out_what_is_wrong(office: Client, save: Any) -> None:
    save(phone="+1 312 555 0148", accent="#123456")
    fields = {**FIELDS, "after": 1, "phone": "call us", "accent": "navy"}
    html = office.post(PREVIEW, fields).content.decode()
    assert "call us" not in html
    assert "tel:+13125550148" in html
    assert 'bgcolor="#123456"' in html


def test_the_preview_is_a_document_that_can_do_nothing(office: Client) -> None:
    answer = office.get(PREVIEW)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in policy


def test_the_preview_of_a_company_has_the_house_s_logo(
    office: Client, save: Any, company: Company
) -> None:
    save(logo_file=picture())
    html = office.get(PREVIEW, {"group": f"company:{company.pk}"}).content.decode()
    assert 'src="data:image/png;base64,' in html


@pytest.mark.parametrize("kind", ["", "no_such_kind"])
def test_the_preview_of_an_unknown_kind_shows_another(office: Client, kind: str) -> None:
    assert office.get(PREVIEW, {"kind": kind}).status_code == 200


# --- Logos --------------------------------------------------------------------------------------
def test_a_logo_is_stored_once_and_served_forever(client: Client, save: Any, settings: Any) -> None:
    settings.SITE_URL = "https://app.rssystems.com"
    save(name="Glass Co", logo_file=picture(size=(1200, 300)))
    save(name="Glass Ltd", logo_file=picture(size=(1200, 300)))
    logo = BrandLogo.objects.get()
    shown = brand.current()
    assert shown.logo_url == f"https://app.rssystems.com/brand/logo/{logo.pk}.png"
    assert (shown.logo_width, shown.logo_height) == (300, 75)
    answer = client.get(shown.logo_path)
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    cached = answer.headers["Cache-Control"]
    assert "public" in cached
    assert "immutable" in cached
    assert "max-age=31536000" in cached
    assert client.get(f"/brand/logo/{'0' * 64}.png").status_code == 404
    page = client.get("/login/").content.decode()
    assert f'src="{shown.logo_path}" alt="Glass Ltd"' in page


def test_a_bad_logo_is_refused_and_the_other_fields_stay(save: Any) -> None:
    file = io.BytesIO(b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>")
    file.name = "logo.png"
    answer = save(name="Glass Co", logo_file=file)
    page = answer.content.decode()
    assert "Export the logo as PNG." in page
    assert "Choose the logo again" in page
    assert 'value="Glass Co"' in page


def test_twenty_megabytes_are_refused(save: Any) -> None:
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"x" * 20_000_000)
    file.name = "logo.png"
    assert "up to 500 KB" in save(logo_file=file).content.decode()
    assert not BrandVersion.objects.exists()
