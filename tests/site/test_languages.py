"""Whose language a page is in, and that nothing of it stays English."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from io import StringIO

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import formats, timezone, translation

from apps.core.message import unsubscribe
from apps.core.message.kinds import format_money
from apps.core.message.unsubscribe import Subscription
from apps.core.models import Contact, Notification, Verification
from apps.core.models.verification import Purpose, token
from apps.core.services.notification import NotificationService
from apps.core.states import Priority
from apps.people.links import local_path
from tests.support.everything import drive_repairs
from tests.support.spanish import english_lines, text_of
from tools import translations

LANGUAGES = settings.LANGUAGES
ES = {"accept-language": "es-MX,es;q=0.9,en;q=0.5"}
#: Pages that a technician or manager sees, by the path.
PAGES = ["/", "/notifications/", "/notifications/?tab=todo", "/account/", "/account/contact/"]
PUBLIC_PAGES = ["/login/", "/password/", "/password/x/y/", "/account/contact/confirm/x/"]


def lang_of(page: str) -> str:
    found = re.search(r'<html lang="([^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("accepts", "language"),
    [
        ("es-MX", "es"),
        ("es", "es"),
        ("fr, es-US;q=0.8, en;q=0.5", "es"),
        ("en-US,en;q=0.9,es;q=0.8", "en"),
        ("fr", "en"),
        ("", "en"),
        ("*;q=x, ;;", "en"),
    ],
)
def test_a_stranger_gets_the_language_of_their_browser(
    client: Client, db: None, accepts: str, language: str
) -> None:
    answer = client.get("/login/", headers={"accept-language": accepts})
    assert lang_of(answer.content.decode()) == language


@pytest.mark.parametrize(
    ("chosen", "accepts", "language"),
    [
        ("es", "en", "es"),
        ("en", "es-MX", "en"),
        ("", "es-MX", "es"),
        ("", "fr", "en"),
        # A language that has been given up.
        ("tlh", "es", "es"),
    ],
)
def test_the_chosen_language_wins_over_the_browser_s(
    client: Client, person: Callable[..., User], chosen: str, accepts: str, language: str
) -> None:
    client.force_login(person(language=chosen))
    page = client.get("/account/", headers={"accept-language": accepts}).content.decode()
    assert lang_of(page) == language
    assert ("Qué mensajes recibe" in page) == (language == "es")


def test_a_person_without_contact_details_gets_the_browser_s_language(
    client: Client, person: Callable[..., User]
) -> None:
    client.force_login(person(contact=False))
    assert lang_of(client.get("/notifications/", headers=ES).content.decode()) == "es"


def test_the_language_costs_no_query(client: Client, person: Callable[..., User]) -> None:
    client.force_login(person(language="es"))
    with CaptureQueriesContext(connection) as queries:
        client.get("/nowhere/")
    # The contact has the time zone too.
    assert sum("core_contact" in each["sql"] for each in queries) == 1


def test_the_language_ends_with_the_request(client: Client, db: None) -> None:
    client.get("/login/", headers=ES)
    assert translation.get_language() == "en"


@pytest.mark.parametrize("path", ["/office/people/", "/admin/", "/sandbox/"])
def test_staff_pages_are_in_english(client: Client, person: Callable[..., User], path: str) -> None:
    boss = person(language="es")
    User.objects.filter(pk=boss.pk).update(is_staff=True, is_superuser=True)
    client.force_login(User.objects.get(pk=boss.pk))
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    assert lang_of(answer.content.decode()) != "es"
    assert "Cerrar sesión" not in answer.content.decode()


def test_the_page_of_a_server_error_is_in_the_reader_s_language(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.site.sign_in.SignInView.get_context_data", lambda *_, **__: 1 / 0)
    client.raise_request_exception = False
    page = client.get("/login/", headers=ES).content.decode()
    assert lang_of(page) == "es"
    assert "Algo falló de nuestro lado" in page


def choose(client: Client, language: str) -> str:
    answer = client.post("/account/language/", {"language": language}, follow=True)
    return answer.content.decode()


def test_a_choice_is_stored_recorded_and_takes_effect_at_once(
    client: Client, person: Callable[..., User]
) -> None:
    reader = person()
    client.force_login(reader)
    page = choose(client, "es")
    assert Contact.objects.get(user=reader).language == "es"
    assert lang_of(page) == "es"
    assert "Se guardó el idioma." in page
    assert "<strong>Cambió el idioma</strong>" in page
    assert '<option value="es" lang="es" selected>Español</option>' in page
    page = choose(client, "")
    assert Contact.objects.get(user=reader).language == ""
    assert "The language is saved." in page
    assert page.count("<strong>Changed the language</strong>") == 2
    assert choose(client, "").count("<strong>Changed the language</strong>") == 2


def test_an_unknown_language_is_refused(client: Client, person: Callable[..., User]) -> None:
    reader = person(language="es")
    client.force_login(reader)
    assert "Elija uno de los idiomas." in choose(client, "tlh")
    assert Contact.objects.get(user=reader).language == "es"


def test_a_person_without_contact_details_can_choose(
    client: Client, person: Callable[..., User]
) -> None:
    reader = person(contact=False)
    client.force_login(reader)
    assert "Se guardó el idioma." in choose(client, "es")
    assert Contact.objects.get(user=reader).language == "es"


@pytest.mark.parametrize(("chosen", "accepts"), [("es", "en"), ("", "es")])
def test_links_of_messages_open_in_the_language_of_their_recipient(
    client: Client, person: Callable[..., User], chosen: str, accepts: str
) -> None:
    owner = person(language=chosen, verified_email="")
    row = Verification.objects.create(
        user=owner,
        purpose=Purpose.EMAIL,
        address=owner.contact.email,
        expires_at=timezone.now() + timedelta(days=1),
    )
    links = {
        f"/account/contact/confirm/{token(str(row.pk))}/": "¿Es esta su dirección?",
        local_path(unsubscribe.url(Subscription(owner.pk, ("system",)))): "sobre <strong>Avisos<",
    }
    for link, said in links.items():
        page = client.get(link, headers={"accept-language": accepts}).content.decode()
        assert (lang_of(page), said in page) == ("es", True)


# --- Nothing stays English ----------------------------------------------------------------------


def untranslated(text: str) -> Iterator[str]:
    """Yield the English of our catalogs, of several words, that the text has."""
    for app in translations.APPS:
        for message in list(translations.read(translations.path_of(app, "es"), "es"))[1:]:
            for each in translations.texts(message.id):
                pieces = re.split(r"%\(\w+\)s|\{\w*\}|<[^>]*>", each)
                longest = max(pieces, key=len).strip()
                if " " in longest and longest in text:
                    yield each


def test_our_words_win_over_those_of_django_s_apps() -> None:
    with translation.override("es"):
        assert translation.gettext("All") == "Todas"


def test_english_that_is_left_is_found() -> None:
    page = '<p>Ana gets your approvals</p><a title="Show the newest">1</a>'
    assert list(untranslated(text_of(page))) == ["%(name)s gets your approvals", "Show the newest"]


@pytest.fixture
def demo(db: None, memory_providers: None) -> None:
    call_command("seed_demo", stdout=StringIO())
    Contact.objects.update(language="es")
    drive_repairs()


@pytest.mark.parametrize("name", ["maria", "jane"])
def test_no_english_of_the_catalogs_is_left_on_pages_in_spanish(
    client: Client, demo: None, name: str
) -> None:
    reader = User.objects.get(username=name)
    client.force_login(reader)
    paths = [f"/notifications/{row.pk}/" for row in Notification.objects.visible_to(reader)[:5]]
    assert paths
    for path in [*PAGES, *paths]:
        page = client.get(path).content.decode()
        assert lang_of(page) == "es"
        assert list(untranslated(text_of(page))) == [], path
        # Whatever came past the catalogs.
        assert path == "/" or english_lines(page) == []


@pytest.mark.parametrize("path", PUBLIC_PAGES)
def test_public_pages_have_no_english_word_in_spanish(client: Client, db: None, path: str) -> None:
    assert english_lines(client.get(path, headers=ES).content.decode()) == []


@pytest.mark.parametrize(
    ("path", "given", "said"),
    [
        ("/login/", {}, ["Escriba su usuario o dirección de correo.", "Escriba su contraseña."]),
        ("/login/", {"username": "x", "password": "y"}, ["El usuario o la contraseña"]),
        ("/password/", {"username": ""}, ["Escriba su usuario o dirección de correo."]),
    ],
)
def test_errors_of_forms_are_in_spanish(
    client: Client, db: None, path: str, given: dict[str, str], said: list[str]
) -> None:
    page = client.post(path, given, headers=ES).content.decode()
    assert all(each in text_of(page) for each in said)
    assert english_lines(page) == []


def test_a_new_message_and_its_pages_have_no_english_word_in_spanish(
    client: Client, person: Callable[..., User], memory_providers: None
) -> None:
    reader = person(language="es")
    User.objects.filter(pk=reader.pk).update(first_name="Rosa")
    sent = {"title": "Cerramos el jueves", "text": "Es feriado.", "by": "Sam"}
    NotificationService().notify("announcement", [reader], sent, action_url="/")
    row = Notification.objects.get(recipient=reader)
    client.force_login(User.objects.get(pk=reader.pk))
    for path in ("/notifications/", f"/notifications/{row.pk}/", "/account/contact/"):
        assert english_lines(client.get(path).content.decode()) == [], path


def test_what_is_stored_stays_english_in_any_language(
    client: Client, person: Callable[..., User]
) -> None:
    reader = person(language="es", time_zone="America/Chicago")
    client.force_login(reader)
    client.post("/account/pause/", {"until": "hour"})
    assert [each.get_change_message() for each in LogEntry.objects.all()] == ["Paused"]
    assert "<strong>Puso los mensajes en pausa</strong>" in client.get("/account/").content.decode()


def test_the_consent_is_kept_in_the_words_that_the_person_saw(
    client: Client, person: Callable[..., User]
) -> None:
    reader = person(language="es", sms_opt_in=False)
    client.force_login(reader)
    shown = text_of(client.get("/account/contact/").content.decode())
    client.post("/account/contact/texts/", {"agree": "yes"})
    agreed_to = Contact.objects.get(user=reader).sms_agreed_to
    assert agreed_to.startswith("Acepto recibir en este número mensajes de texto")
    assert agreed_to in shown


# --- Formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "name", "shown"),
    [
        ("en", "MOMENT", "Nov 8, 9:02 PM"),
        ("es", "MOMENT", "8 nov, 9:02 p.m."),
        ("es", "MOMENT_AND_YEAR", "8 nov 2026, 9:02 p.m."),
        ("es", "WHOLE_MOMENT", "domingo 8 de noviembre de 2026, 9:02 p.m. UTC"),
        ("en", "WHOLE_MOMENT", "Sunday, November 8, 2026, 9:02 PM UTC"),
        ("es", "DAY_AND_YEAR", "8 nov 2026"),
        ("es", "DATE_FORMAT", "8 de noviembre de 2026"),
    ],
)
def test_dates_are_in_the_order_of_the_language(language: str, name: str, shown: str) -> None:
    moment = datetime(2026, 11, 8, 21, 2, tzinfo=UTC)
    with translation.override(language):
        assert formats.date_format(moment, name) == shown


def test_every_language_has_every_format() -> None:
    modules = [import_module(f"rs_systems.formats.{code}.formats") for code, _ in LANGUAGES]
    named = [{name for name in vars(module) if name.isupper()} for module in modules]
    ours = named[0]
    assert ours
    assert all(ours <= each for each in named)


def test_spanish_numbers_and_money_are_american() -> None:
    with translation.override("es"):
        assert formats.localize(1412.5) == "1412.5"
        assert formats.number_format(1412.5, 2, force_grouping=True) == "1,412.50"
        assert format_money(Decimal("1412.50")) == "$1,412.50"


def test_fields_of_dates_and_times_stay_in_the_form_that_browsers_need() -> None:
    with translation.override("es"):
        assert formats.localize_input(date(2026, 11, 8)) == "2026-11-08"
        assert formats.localize_input(time(9, 5)) == "09:05"
        assert formats.localize_input(datetime(2026, 11, 8, 9, 5)) == "2026-11-08T09:05"


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(minutes=12), "hace 12\xa0minutos"),
        (timedelta(days=1, hours=1), "hace 1\xa0día"),
        (timedelta(hours=-3, minutes=-1), "en 3\xa0horas"),
        (timedelta(0), "ahora mismo"),
    ],
)
def test_distances_in_time_are_in_spanish(ago: timedelta, words: str) -> None:
    page = Template("{% load ui %}{% when moment %}")
    with translation.override("es"):
        assert words in page.render(Context({"moment": timezone.now() - ago}))


def test_a_settled_matter_says_by_whom_in_spanish(
    client: Client, person: Callable[..., User]
) -> None:
    reader = person(language="es")
    row = Notification.objects.create(
        recipient=reader,
        kind="repair_pending_approval",
        priority=Priority.LOW,
        context={},
        title="R-1",
        visible_from=timezone.now() - timedelta(hours=1),
        settled_at=timezone.now(),
        settled_because="approved by Luis By Romero",
    )
    client.force_login(reader)
    assert "aprobada por Luis By Romero" in client.get(f"/notifications/{row.pk}/").content.decode()
