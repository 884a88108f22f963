"""The pages about the words of messages: who may see and change them, and what they show."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.message import kinds, wording
from apps.core.message.parts import Part
from apps.core.models import WordingVersion
from apps.core.services import wording as service
from tests.support.queries import statements

pytestmark = pytest.mark.django_db

KIND, LANGUAGE = "repair_approved", "en"
PAGE = f"/office/messages/{KIND}/{LANGUAGE}/"
SUBJECT = "Go ahead: unit {{ job.unit }} ({{ job.number }})"


def draft() -> WordingVersion:
    row = service.draft(KIND, LANGUAGE)
    assert row
    return row


def published() -> WordingVersion:
    row = service.published(KIND, LANGUAGE)
    assert row
    return row


def staff(username, *permissions):
    user = User.objects.create_user(username, first_name=username.capitalize(), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def sam():
    return staff("sam", "view_wordingversion", "change_wordingversion", "view_notification")


@pytest.fixture
def office(sam):
    return signed_in(sam)


@pytest.fixture
def kim():
    return staff("kim", "view_wordingversion", "change_wordingversion")


def seen():
    return service.revision(service.draft(KIND, LANGUAGE), service.published(KIND, LANGUAGE))


def fields(**changed):
    """Return what the editor's form posts: every part, why, and what was seen."""
    file = {part.value: wording.of_file(KIND, LANGUAGE).parts.get(part, "") for part in Part}
    # Browsers send line breaks as two characters.
    parts = {name: text.replace("\n", "\r\n") for name, text in {**file, **changed}.items()}
    return {"seen": seen(), "reason": "It is shorter.", **parts}


def post(client, action, **changed):
    return client.post(PAGE, {**fields(**changed), "do": action})


def html(answer):
    return answer.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/office/messages/",
        "/office/messages/gallery/",
        PAGE,
        f"{PAGE}phone/",
        f"{PAGE}sms/?draft=1",
    ],
)
def test_staff_with_the_right_to_look_sees_the_pages_and_others_do_not(path):
    assert signed_in(staff("kim", "view_wordingversion")).get(path).status_code == 200
    assert signed_in(staff("lee", "view_notification")).get(path).status_code == 403
    assert signed_in(User.objects.create_user("jane")).get(path).status_code == 403
    assert Client().get(path).status_code == 302


@pytest.mark.parametrize("action", ["save", "publish", "discard", "check", ""])
def test_who_may_only_look_changes_nothing(action):
    client = signed_in(staff("kim", "view_wordingversion"))
    assert post(client, action, subject=SUBJECT).status_code == 403
    assert client.post(f"{PAGE}again/0/", {"why": "Back."}).status_code == 403
    assert not WordingVersion.objects.exclude(state="file").exists()
    page = html(client.get(PAGE))
    assert 'data-testid="publish"' not in page


def test_a_form_from_elsewhere_is_refused(sam):
    client = Client(enforce_csrf_checks=True)
    client.force_login(sam)
    assert post(client, "save", subject=SUBJECT).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/office/messages/nothing/en/",
        f"/office/messages/{KIND}/fr/",
        "/office/messages/nothing/en/phone/",
        "/office/messages/sent/0f8fad5b-d9cb-469f-a165-70867728950e/",
    ],
)
def test_what_does_not_exist_is_not_found(office, path):
    assert office.get(path).status_code == 404


def test_the_page_of_another_language_is_about_that_language(office):
    page = html(office.get("/office/messages/repair_approved/es/"))
    assert 'src="/office/messages/repair_approved/es/phone/"' in page
    assert '<html lang="en">' in page


def test_the_list_shows_the_state_of_every_kind_in_every_language(office):
    post(office, "publish", subject=SUBJECT)
    post(office, "save", subject="Approved {{ job.unit }}")
    page = html(office.get("/office/messages/"))
    for kind in kinds.worded().values():
        assert f'data-testid="kind-{kind.name}"' in page
    assert "<strong>Version 1</strong>" in page
    assert '<span class="no-tick">Draft</span>' in page
    assert page.count("Original words") == 2 * len(kinds.worded()) - 1


def test_pages_have_few_statements_however_much_there_is(office, notify, person):
    def asked(path):
        office.get(path)
        with CaptureQueriesContext(connection) as captured:
            assert office.get(path).status_code == 200
        return len(statements(captured))

    before = asked("/office/messages/"), asked(PAGE)
    for number in range(4):
        post(office, "publish", subject=f"Go {number}: {{{{ job.unit }}}}")
    notify([person() for _ in range(20)])
    assert (asked("/office/messages/"), asked(PAGE)) == before
    assert asked("/office/messages/") <= 8
    post(office, "save", subject="Go: {{ job.unit }}")
    # The check reads the versions, the messages and the month's volume.
    assert asked(PAGE) <= before[1] + 5
    assert asked("/office/messages/gallery/") <= 10


def test_saved_words_are_a_draft_with_what_they_would_change(office, sam, notify, person):
    notify(person())
    answer = post(office, "save", subject=SUBJECT)
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    row = draft()
    assert (row.overrides, row.why, row.made_by) == ({"subject": SUBJECT}, "It is shorter.", sam)
    page = html(office.get(PAGE))
    assert "There is a draft" in page
    assert "1 would have been different" in page
    assert "<ins>" in page
    assert "<del>" in page


def test_a_check_saves_nothing(office):
    answer = post(office, "check", subject="Go: {{ job.colour }}")
    assert answer.status_code == 200
    assert "It cannot be published yet" in html(answer)
    assert "There is no job.colour" in html(answer)
    assert "Go: {{ job.colour }}" in html(answer)
    assert service.draft(KIND, LANGUAGE) is None


def test_only_what_is_saved_needs_a_reason(office):
    assert "This field is required." not in html(post(office, "check", reason=""))
    reset = office.post(PAGE, {**fields(reason=""), "reset": "subject"})
    assert "This field is required." not in html(reset)
    for button in ("save", "publish"):
        answer = post(office, button, subject=SUBJECT, reason="")
        assert answer.status_code == 422
        assert "This field is required." in html(answer)


def test_publishing_saves_what_was_written_and_says_when_it_is_used(office):
    answer = office.post(PAGE, {**fields(subject=SUBJECT), "do": "publish"}, follow=True)
    assert "within 5 seconds" in html(answer)
    assert published().overrides == {"subject": SUBJECT}


def test_publishing_never_publishes_what_another_saved_at_the_same_moment(office, kim, monkeypatch):
    save = service.save

    def save_and_be_overtaken(*address, **options):
        row = save(*address, **options)
        theirs = {**options, "by": kim, "seen": service.revision(row, row.based_on)}
        save(KIND, LANGUAGE, {Part.SUBJECT: "Kim: {{ job.unit }}"}, **theirs)
        return row

    monkeypatch.setattr(service, "save", save_and_be_overtaken)
    answer = office.post(PAGE, {**fields(subject=SUBJECT), "do": "publish"})
    assert answer.status_code == 409
    assert service.published(KIND, LANGUAGE) is None
    assert draft().made_by == kim


def test_refused_words_are_saved_as_a_draft_and_not_published(office):
    answer = post(office, "publish", sentence="One.\nTwo <b>three")
    assert answer.status_code == 422
    assert "E-mail: sentence, line 2" in html(answer)
    assert service.published(KIND, LANGUAGE) is None
    assert draft().overrides == {"sentence": "One.\nTwo <b>three"}
    # What the page now has as seen is the draft: publishing the corrected words works.
    assert post(office, "publish", sentence="One.\nTwo <b>three</b>").status_code == 302


def test_why_is_asked_for(office):
    answer = office.post(PAGE, {**fields(subject=SUBJECT), "reason": " ", "do": "save"})
    assert answer.status_code == 422
    assert service.draft(KIND, LANGUAGE) is None
    assert SUBJECT in html(answer)


def test_the_later_of_two_editors_sees_the_other_words_and_keeps_their_own(office, kim):
    opened = fields()
    post(signed_in(kim), "save", subject="Kim: {{ job.unit }}")
    mine = {**opened, "subject": "Sam: {{ job.unit }}", "do": "save"}
    answer = office.post(PAGE, mine)
    page = html(answer)
    assert answer.status_code == 409
    assert "Kim changed these words while you wrote" in page
    assert "Sam: {{ job.unit }}</textarea>" in page
    assert '<span class="unseen">Taken out: </span>Kim' in page
    assert draft().made_by == kim
    # The form now has what was seen: saving again replaces Kim's draft, which stays in the history.
    again = {**mine, "seen": answer.context["form"]["seen"].value()}
    assert office.post(PAGE, again).status_code == 302
    assert draft().overrides == {"subject": "Sam: {{ job.unit }}"}
    assert "Draft of Kim, never published" in html(office.get(PAGE))


def test_a_part_is_put_back_and_the_others_keep_what_was_written(office):
    written = {**fields(subject="Mine", title="Also mine"), "reset": "subject"}
    page = html(office.post(PAGE, written))
    original = wording.of_file(KIND, LANGUAGE).parts[Part.SUBJECT]
    assert f"{original}</textarea>" in page.replace("&lt;", "<").replace("&#x27;", "'")
    assert "Also mine</textarea>" in page
    assert office.post(PAGE, {**written, "reset": "seen"}).status_code == 200


def test_a_draft_is_set_aside(office):
    post(office, "save", subject=SUBJECT)
    assert post(office, "discard").status_code == 302
    assert service.draft(KIND, LANGUAGE) is None


def test_a_second_click_adds_no_version(office):
    post(office, "publish", subject=SUBJECT)
    for number in (1, 0, 0):
        answer = office.post(f"{PAGE}again/{number}/", {"why": "Back."}, follow=True)
    assert "in use already" in html(answer)
    assert [row.number for row in service.history(KIND, LANGUAGE)] == [2, 1]


def test_what_is_in_use_is_not_published_again(office):
    assert post(office, "publish").status_code == 302
    assert service.history(KIND, LANGUAGE) == []
    for _ in range(2):
        post(office, "publish", subject=SUBJECT)
    assert [row.number for row in service.history(KIND, LANGUAGE)] == [1]
    assert service.draft(KIND, LANGUAGE) is None


def test_an_earlier_version_and_the_original_are_published_again(office):
    post(office, "publish", subject=SUBJECT)
    post(office, "publish", subject="Approved {{ job.unit }}")
    page = html(office.get(PAGE))
    assert 'data-testid="again-1"' in page
    assert 'data-testid="again-2"' not in page
    office.post(f"{PAGE}again/1/", {"why": "Clearer\x00."})
    assert published().overrides == {"subject": SUBJECT}
    office.post(f"{PAGE}again/0/", {"why": " \x00"})
    assert service.published(KIND, LANGUAGE) is not None
    office.post(f"{PAGE}again/0/", {"why": "Enough."})
    assert service.published(KIND, LANGUAGE) is None
    assert office.post(f"{PAGE}again/9/", {"why": "None."}).status_code == 404


def test_the_preview_shows_what_is_being_written_and_saves_nothing(office):
    path = reverse("office:wording-preview", args=[KIND, LANGUAGE])
    answer = office.post(path, {**fields(title="Hello {{ job.unit }}"), "show": "in_app"})
    assert "Hello 417" in html(answer)
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    broken = office.post(path, {**fields(title="Hello {{ job.u"), "show": "in_app"})
    assert "Title: A curly bracket stands alone" in html(broken)
    assert service.draft(KIND, LANGUAGE) is None


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("phone", "@media"),
        ("dark", 'content="dark"'),
        ("plain", '<pre class="plain">'),
        ("sms", '<p class="bubble">'),
        ("in_app", "note-text"),
        ("nonsense", "@media"),
    ],
)
def test_every_shape_has_a_page_for_a_frame(office, shape, expected):
    answer = office.get(f"{PAGE}{shape}/")
    assert expected in html(answer)
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


HOSTILE = [
    "{% load static %}{% static 'x' %}",
    "{% include 'admin/base.html' %}",
    "{{ job.__init__ }}",
    "{{ request.user.password }}",
    "{{ brand.name|safe }}",
    "{% for x in job %}x{% endfor %}",
    "{{ job.unit|default:settings.SECRET_KEY }}",
    "x" * 100_000,
    "{{" * 500,
    "{% if " + "not " * 200 + "estimate %}x{% endif %}",
    "\x00\u202e",
    "<img src=x onerror=alert(1)>",
    "</textarea><script>alert(1)</script>",
]


@pytest.mark.parametrize("source", HOSTILE)
def test_hostile_words_are_refused_and_shown_as_text_only(office, source):
    answer = post(office, "publish", sentence=source)
    assert answer.status_code == 422
    assert service.published(KIND, LANGUAGE) is None
    page = html(answer)
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    preview = office.post(f"{PAGE}preview/", {**fields(sentence=source), "show": "phone"})
    assert preview.status_code == 200
    assert "<img src=x" not in html(preview)
    assert "<script>alert" not in html(preview)


def test_values_are_escaped_in_the_frame(office, monkeypatch):
    kind = kinds.get(KIND)
    sample = kind.sample.model_copy(update={"approved_by": "<script>x</script>"})
    monkeypatch.setitem(
        kinds.REGISTRY,
        KIND,
        kinds.NotificationKind(KIND, "A", kind.category, kind.priority, sample),
    )
    wording.forget()
    page = html(office.get(f"{PAGE}phone/"))
    assert "&lt;script&gt;x" in page
    assert "<script>" not in page
