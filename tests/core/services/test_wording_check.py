"""What the check of a message's words finds, part by part and line by line."""

import time

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.message import kinds, wording
from apps.core.message.parts import Part
from apps.core.models import Notification, WordingVersion
from apps.core.models.wording import WordingState
from apps.core.services import wording as service
from apps.core.services import wording_shadow
from apps.core.services.wording_check import check
from tests.support.queries import statements

pytestmark = pytest.mark.django_db

KIND = "repair_approved"
LONG_TEXT = (
    "{{ brand.name|short }}: {{ job.number }} approved. Please start the repair as soon as you can "
    "reach the unit {{ job.unit }}, and do not forget to bring the resin and the lamp: "
    "{{ action_url }}"
)


def checked(part=None, source="", kind=KIND, language="en"):
    return check(service.complete(kind, language, {part: source} if part else {}))


def found(report, *, refuses=True):
    return [
        (each.part, each.line, each.message) for each in report.findings if each.refuses is refuses
    ]


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
@pytest.mark.parametrize("kind", sorted(kinds.worded()))
def test_the_original_of_every_kind_has_no_finding(kind, language):
    assert checked(kind=kind, language=language).findings == ()


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ["Approvals", "Unit 417: repair approved, $412.50"]), ("es", ["Aprobaciones"])],
)
def test_a_digest_s_preview_has_a_list(language, words):
    sample = wording_shadow.render_sample(wording.of_file("folded", language))
    for each in words:
        assert each in sample.email
        assert each in sample.html


@pytest.mark.parametrize(
    ("part", "source", "line", "words"),
    [
        (Part.SUBJECT, "Approved: {{ job.colour }}", 1, "There is no job.colour"),
        (Part.TEXT, "One.\nTwo {{ job.unit }.", 2, "curly bracket"),
        (Part.TEXT, "One.\n\n{% if estimate %}Two.", 3, "endif"),
        (Part.TEXT, "{% load static %}", 1, "cannot stand here"),
        (Part.TEXT, "{{ job.unit|safe }}", 1, "There is no filter safe"),
        (Part.TEXT, "{{ job.__class__ }}", 1, "__class__"),
        (Part.SENTENCE, "One.\n<b>Two", 2, "<b>"),
        (Part.SENTENCE, "One.\n<script>x()</script>", 2, "<script>"),
        (Part.SENTENCE, '<a href="/repairs/1/">it</a>', 1, "https://"),
        (Part.SENTENCE, '<a href="javascript:x()">it</a>', 1, "https://"),
        (Part.SENTENCE, '<b onclick="x()">it</b>', 1, "attributes"),
        (Part.TITLE, "  ", 0, "must not be empty"),
        (Part.SUBJECT, "Approved:\n{{ job.unit }}", 2, "one line"),
        (Part.NOTE, "“{{ approved_by }}”", 1, "who wrote the words"),
        (Part.FACTS, "Unit: {{ job.unit }}\n{{ job.number }}", 2, "Label: value"),
        (
            Part.SMS,
            "Go to {{ job.unit }} \u2764 {{ action_url }}",
            1,
            "heavy black heart, character 22",
        ),
        (Part.SMS, "{{ brand.name }}: go to {{ job.unit }}", 0, "The link is missing"),
        (Part.SMS, LONG_TEXT, 0, "takes 2 parts"),
        (Part.SUBJECT, "Approved" * 12, 0, "at most 78"),
    ],
)
def test_what_refuses_the_words_names_its_part_and_line(part, source, line, words):
    refusals = found(checked(part, source))
    assert [(each[0], each[1]) for each in refusals] == [(part, line)]
    assert words in refusals[0][2]


def test_every_character_outside_the_alphabet_is_named_once_for_each_place():
    refusals = found(checked(Part.SMS, "\u0142\u0142 {{ action_url }}"))
    assert [message.split(" is not")[0] for _, _, message in refusals] == [
        "“\u0142” (latin small letter l with stroke, character 1)",
        "“\u0142” (latin small letter l with stroke, character 2)",
    ]


def test_typography_that_is_sent_in_the_alphabet_is_no_finding():
    curly = "It\u2019s approved \u2013 start at {{ job.unit }}: {{ action_url }}"
    assert found(checked(Part.SMS, curly)) == []


def test_a_kind_without_a_link_in_its_text_needs_none():
    report = checked(Part.SMS, "{{ code }} is your code.", kind="confirm_phone")
    assert found(report) == []


def test_an_optional_part_may_be_emptied_and_facts_may_have_conditions():
    facts = "{% if estimate %}Approved: {{ estimate|money }}{% endif %}\nUnit: {{ job.unit }}"
    assert found(checked(Part.FACTS, facts)) == []
    assert found(checked(Part.PREHEADER, "")) == []


def test_a_change_in_one_language_only_is_a_warning():
    warnings = found(checked(Part.SUBJECT, "Go: {{ job.unit }}"), refuses=False)
    assert warnings == [
        (Part.SUBJECT, 0, "It is changed in English only; in Spanish it is the original.")
    ]
    WordingVersion.objects.create(
        kind=KIND, language="es", number=0, state=WordingState.DRAFT, overrides={"subject": "Siga"}
    )
    assert found(checked(Part.SUBJECT, "Go: {{ job.unit }}"), refuses=False) == []


def test_the_shadow_compares_the_words_with_those_in_use_for_real_messages(notify, person):
    notify([person(), person(), person()])
    report = checked(Part.SUBJECT, "Go: {{ job.unit }}")
    shadow = report.shadow
    assert (shadow.seen, shadow.differing, len(shadow.first)) == (3, 3, 3)
    assert shadow.first[0].before.subject == "Approved: unit 417, star break, driver side (R-1042)"
    assert shadow.first[0].after.subject == "Go: 417"
    assert shadow.first[0].after.sms == shadow.first[0].before.sms
    assert (report.before.subject, report.after.subject) == (
        "Approved: unit 417, star break, driver side (R-1042)",
        "Go: 417",
    )


def test_words_that_show_in_some_messages_only_differ_in_these(notify, person):
    notify([person(), person()])
    row = Notification.objects.order_by("pk")[0]
    row.context["approved_by"] = "Luis Romero"
    row.save()
    text = wording.of_file(KIND, "en").parts[Part.TEXT]
    added = text + "{% if approved_by == 'Luis Romero' %} Luis is new.{% endif %}"
    shadow = checked(Part.TEXT, added).shadow
    assert (shadow.seen, shadow.differing) == (2, 1)
    assert [each.notification.pk for each in shadow.first] == [row.pk]


def test_long_values_of_real_messages_are_counted_as_warnings(notify, person):
    notify([person(), person()])
    row = Notification.objects.order_by("pk")[0]
    row.context["job"]["damage"] = "Crack " * 15
    row.save()
    subject = "Approved: unit {{ job.unit }}, {{ job.damage }}"
    text = "{{ job.number }}: {{ job.damage }} is approved, and you can start: {{ action_url }}"
    words = service.complete(KIND, "en", {Part.SUBJECT: subject, Part.SMS: text + " " + "x" * 40})
    warnings = [each.message for each in check(words).findings if not each.refuses]
    assert (
        "1 of the last 2 real messages would have a subject of more than 78 characters." in warnings
    )
    assert "1 of the last 2 real messages would take more parts than the original." in warnings


def test_rows_of_an_earlier_code_are_counted_and_passed_over(notify, person):
    notify([person(), person()])
    row = Notification.objects.order_by("pk")[0]
    Notification.objects.filter(pk=row.pk).update(context={"old": "field"})
    shadow = checked(Part.SUBJECT, "Go: {{ job.unit }}").shadow
    assert (shadow.seen, shadow.unreadable, shadow.differing) == (1, 1, 1)


def test_words_that_fail_for_a_real_message_are_refused(notify, person, monkeypatch):
    notify([person(), person()])
    render, words = wording_shadow._render_row, service.complete(KIND, "en", {Part.TEXT: "Go."})

    def fail_once(row, given):
        if given == words and row.pk == Notification.objects.order_by("pk")[0].pk:
            raise ValueError("the value is too odd")
        return render(row, given)

    monkeypatch.setattr(wording_shadow, "_render_row", fail_once)
    ((part, _, message),) = found(check(words))
    assert part is None
    assert message == "It fails for 1 of the last 2 real messages: the value is too odd"


def test_the_shadow_looks_at_the_newest_messages_only(notify, person, monkeypatch):
    monkeypatch.setattr(wording_shadow, "MOST", 2)
    notify([person() for _ in range(4)])
    assert checked(Part.TEXT, "Go.").shadow.seen == 2


def test_the_shadow_ends_when_its_time_is_over(notify, person, monkeypatch):
    notify([person() for _ in range(4)])
    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock) * 3.0)
    shadow = checked(Part.TEXT, "Go.").shadow
    assert shadow.is_cut
    assert shadow.seen == 1


def test_a_check_of_100_messages_writes_nothing_and_needs_few_queries(notify, person):
    notify([person()])
    checked(Part.TEXT, "Go.")
    with CaptureQueriesContext(connection) as few:
        checked(Part.TEXT, "Go on.")
    notify([person() for _ in range(99)])
    with CaptureQueriesContext(connection) as many:
        assert checked(Part.TEXT, "Go at once.").shadow.seen == 100
    assert len(statements(few)) == len(statements(many)) == 3
    assert all(sql.startswith("SELECT") for sql in statements(many))


def test_a_secret_is_in_no_shadow(person):
    from apps.core.models import Verification
    from apps.core.models.verification import code
    from apps.core.services import verification
    from apps.core.states import Channel

    user = person()
    verification.send(user.contact, Channel.SMS)
    real = code(Verification.objects.get().pk)
    (both,) = checked(Part.SMS, "Code {{ code }}", kind="confirm_phone").shadow.first
    assert both.after.sms.startswith("Code ")
    assert real not in both.after.sms + both.before.sms


def test_words_can_be_checked_while_those_in_use_do_not_fit_the_code():
    broken = service.complete(KIND, "en", {Part.SUBJECT: "{{ gone }}"})
    WordingVersion.objects.create(
        kind=KIND,
        language="en",
        number=1,
        state=WordingState.PUBLISHED,
        parts=dict(broken.parts),
        digest=broken.digest,
    )
    report = checked(Part.SUBJECT, "Approved: {{ job.unit }}")
    assert report.refusals == []
    assert report.before == wording_shadow.render_sample(wording.of_file(KIND, "en"))
