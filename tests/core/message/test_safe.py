"""Hostile, broken and random sources are refused or harmless."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import html5lib
import pytest
from django.utils import translation
from hypothesis import example, given
from hypothesis import strategies as st

from apps.core.message import brand as brands
from apps.core.message import kinds, layout, safe, variables
from apps.core.message.parts import FORM, Form, Part
from apps.core.message.safe import TemplateProblem, compile_part
from apps.core.states import Priority


class Visit(kinds.Context):
    unit: kinds.Text
    count: kinds.Count
    cost: kinds.Money
    day: date
    at: datetime | None = None


class Stop(kinds.Context):
    visit: Visit
    reason: str
    number: kinds.Count


KIND = kinds.NotificationKind(
    "stop_planned",
    "Stop planned",
    kinds.Category("stops", "Stops"),
    Priority.LOW,
    Stop(
        visit=Visit(unit="417", count=2, cost=Decimal("1412.50"), day=date(2026, 3, 9)),
        reason='<i>late</i> & "far"',
        number=1,
    ),
)
VALUES: dict[str, Any] = {
    **KIND.sample.model_dump(),
    "action_url": "https://app.rssystems.com/a?b=1&c=2",
    "site_url": "https://app.rssystems.com/",
    "brand": {"name": "O'Brien <b>", "phone": ""},
    "recipient_name": "<script>alert(1)</script>",
}


def render(source: str, part: Part = Part.SUBJECT) -> str:
    return compile_part(KIND, part, source).plain.fill(VALUES)


def render_html(source: str) -> str:
    compiled = compile_part(KIND, Part.SENTENCE, source)
    assert compiled.html
    styled = layout.with_styles(compiled.html.html, brands.current())
    names = variables.of(KIND, Part.SENTENCE)
    return safe.escaped(compiled.html, styled, names).fill(VALUES)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("Unit {{ visit.unit }}", "Unit 417"),
        ("{{ visit.cost|money }}", "$1,412.50"),
        ("{{ visit.day|date }}", "March 9, 2026"),
        ("{{ visit.at|time }}", ""),
        ("{{ brand.phone|default:'no number' }}", "no number"),
        ("{{ reason|truncatechars:9 }}", "<i>lat..."),
        ("{{ brand.name|upper }} {{ brand.name|lower|capfirst }}", "O'BRIEN <B> O'brien <b>"),
        ('{{ visit.count }} {% plural visit.count "break" "breaks" %}', "2 breaks"),
        ('{{ number }} {% plural number "break" "breaks" %}', "1 break"),
        (
            "{% if visit.count > 1 and not brand.phone %}a{% elif reason %}b{% else %}c{% endif %}",
            "a",
        ),
        ('{% if visit.unit == "418" %}a{% elif visit.unit in "417 419" %}b{% endif %}', "b"),
        ("{# a note #}x", "x"),
    ],
)
def test_the_offered_language(source: str, shown: str) -> None:
    assert render(source) == shown


def test_dates_are_written_by_the_language() -> None:
    with translation.override("es"):
        assert render("{{ visit.day|date }}") == "9 de marzo de 2026"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{{ settings.SECRET_KEY }}", "There is no settings.SECRET_KEY. You can use: action_url"),
        ("{{ visit }}", "There is no visit."),
        ("{{ visit.unit.__class__ }}", "underscores"),
        ("{{ brand.__class__ }}", "underscores"),
        ("{{ visit.model_dump }}", "There is no visit.model_dump"),
        ("{{ reason.upper }}", "There is no reason.upper"),
        ("{{ reason.0 }}", "There is no reason.0"),
        ("{{ x|default:settings.SECRET_KEY }}", "There is no x"),
        ("{{ reason|default:settings.SECRET_KEY }}", "There is no settings.SECRET_KEY"),
        ("{% if settings.DEBUG %}x{% endif %}", "There is no settings.DEBUG"),
        ("{% plural settings.A 'a' 'b' %}", "There is no settings.A"),
        ("{% include 'admin/base.html' %}", "“include” cannot stand here. You can use: elif"),
        ("{% extends 'base.html' %}", "“extends” cannot stand here"),
        ("{% load static %}", "“load” cannot stand here"),
        ("{% for x in reason %}x{% endfor %}", "“for” cannot stand here"),
        ("{% with a=reason %}x{% endwith %}", "“with” cannot stand here"),
        ("{% debug %}", "“debug” cannot stand here"),
        ("{% verbatim %}x{% endverbatim %}", "“verbatim” cannot stand here"),
        ("{% csrf_token %}", "“csrf_token” cannot stand here"),
        ("{{ reason|safe }}", "There is no filter safe. You can use: capfirst, date"),
        ("{{ reason|ljust:'9999999' }}", "There is no filter ljust"),
        ("{{ reason|money }}", "The filter money does not fit reason"),
        ("{{ visit.cost|lower|money }}", "The filter money does not fit visit.cost"),
        ("{{ visit.day|time }}", "The filter time does not fit visit.day"),
        ("{{ 'fixed' }}", "Write fixed words without {{ and }}"),
        ('{{ _("fixed") }}', "Write the words themselves"),
        ("{{ visit.unit", "A curly bracket stands alone"),
        ("visit.unit }}", "A curly bracket stands alone"),
        ("{% if reason %}x", "“if” has no end: add {% endif %}"),
        ("x{% endif %}", "“endif” cannot stand here"),
        ("{% if %}x{% endif %}", "cannot be read"),
        ("{% if reason is reason %}x{% endif %}", "Write == instead of is"),
        ("{% if reason = 'x' %}x{% endif %}", "cannot be read"),
        ("{% plural visit.count 'a' %}", "Write a number and two words"),
        ("{{ }}", "cannot be read"),
        ("{{ reason|short }}", "for text messages only"),
        ("x\x00y", "invisible character"),
        ("x\u202ey", "invisible character"),
        ("x\ue010y", "invisible character"),
        ("x" * 501, "too long: at most 500"),
        ("{% if " + "not " * 40 + "reason %}x{% endif %}", "A condition is too long"),
        ("{{ reason|default:'" + "x" * 300 + "' }}", "A tag is too long"),
    ],
)
def test_what_is_refused_and_how_it_is_told(source: str, told: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        compile_part(KIND, Part.SUBJECT, source)
    assert told in caught.value.message
    assert (caught.value.part, caught.value.line) == (Part.SUBJECT, 1)


@pytest.mark.parametrize(
    "source", ["&#xe000;9&#xe001;", '<a href="&#57344;0&#57345;">x</a>', "a&#x202e;b", "a&shy;b"]
)
def test_a_reference_of_html_cannot_stand_for_an_invisible_character(source: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        compile_part(KIND, Part.SENTENCE, f"First line,\n{source}")
    assert "invisible character" in caught.value.message
    assert caught.value.line == 2


def test_a_problem_has_its_line() -> None:
    with pytest.raises(TemplateProblem) as caught:
        compile_part(KIND, Part.FACTS, "Unit: {{ visit.unit }}\nCost: {{ visit.price }}")
    assert caught.value.line == 2
    with pytest.raises(TemplateProblem) as caught:
        compile_part(KIND, Part.SENTENCE, "<p>one</p>\n<p><blink>two</blink></p>")
    assert caught.value.line == 2


def test_deep_nesting_is_refused_before_it_can_exhaust_the_stack() -> None:
    depth = 45
    source = "{% if number %}" * depth + "{% endif %}" * depth
    with pytest.raises(TemplateProblem, match="too many tags"):
        compile_part(KIND, Part.FACTS, source)
    nested = "{% if number %}" * 40 + "x" + "{% endif %}" * 40
    assert compile_part(KIND, Part.FACTS, nested).plain.fill(VALUES) == "x"


@pytest.mark.parametrize("part", [Part.TITLE, Part.TEXT])
def test_what_all_recipients_share_names_none_of_them(part: Part) -> None:
    with pytest.raises(TemplateProblem, match="There is no recipient_name"):
        compile_part(KIND, part, "Hello {{ recipient_name }}")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("<script>alert(1)</script>", "The tag <script> is not allowed"),
        ("<img src=x onerror=alert(1)>", "The tag <img> is not allowed"),
        ("<style>p</style>", "The tag <style> is not allowed"),
        ("<svg/onload=alert(1)>", "Write <svg/onload=alert(1)> and its end|not allowed|Write <"),
        ("<p onclick='x'>a</p>", "<p> takes no attributes"),
        ("<br class=x>", "<br> takes no attributes"),
        ("<a href='javascript:alert(1)'>a</a>", "A link must begin with https://"),
        ("<a href='&#106;avascript:alert(1)'>a</a>", "A link must begin with https://"),
        ("<a href='/repairs/'>a</a>", "A link must begin with https://"),
        ("<a href='{{ reason }}'>a</a>", "A link must begin with https://"),
        ("<a href='https://x.example/{{ reason }}'>a</a>", "A link must begin with https://"),
        ("<a href='https://x.example' target=_blank>a</a>", "without other attributes"),
        ("<a>a</a>", "without other attributes"),
        ("<p><p>a</p></p>", "<p> cannot stand inside <p>"),
        ("<ul>text</ul>", "Put the text inside <ul> into <li>"),
        ("<li>a</li>", "<li> cannot stand inside"),
        ("<a href='https://a.example'><b><a href='https://b.example'>x</a></b></a>", "<a> cannot"),
        ("<p>a", "<p> has no end: add </p>"),
        ("a</p>", "</p> has no beginning here"),
        ("<b><i>a</b></i>", "</b> has no beginning here"),
        ("<!-- {{ reason }} -->", "Comments are not allowed"),
        ("<!doctype html>", "<! is not allowed"),
        ("<?php ?>", "<? is not allowed"),
        ("{% if number %}<b>{% endif %}a</b>", "Close a tag in the same branch"),
        ("{% if number %}<b>{% else %}</b>{% endif %}", "Close a tag in the same branch"),
        ("<{{ reason }}>a</{{ reason }}>", "not allowed|cannot|has no"),
        ("<p {{ reason }}>a</p>", "<p> takes no attributes"),
        ("&#123;&#123; settings }}", "A curly bracket stands alone"),
        ("&#xe000;9&#xe001;", "an invisible character"),
        ("{{ reason }} &#xE000;0&#57345;", "an invisible character"),
        ("<a href='&#xe000;7&#xe001;'>a</a>", "an invisible character"),
        ("&#123;<b></b>&#123; x &#125;&#125;", "A curly bracket stands alone"),
    ],
)
def test_html_that_is_refused(source: str, told: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        compile_part(KIND, Part.SENTENCE, source)
    assert any(each in caught.value.message for each in told.split("|")), caught.value.message


def test_values_in_html_are_escaped_also_as_fixed_words_of_a_tag() -> None:
    assert "&lt;script&gt;" in render_html("<p>{{ recipient_name }}</p>")
    shown = render_html("<p>{{ brand.phone|default:'<b>\"' }}{% plural number '<i>' 'x' %}</p>")
    assert "&lt;b&gt;&quot;&lt;i&gt;" in shown


def test_a_sentence_becomes_plain_text() -> None:
    source = (
        "<p>Open <a href='{{ action_url }}'>the repair</a> &amp; <b>look</b>.</p>\n"
        "<ul>\n<li>one</li><li>{{ visit.unit }}</li>\n</ul><p>Then<br>call.</p>"
    )
    assert render(source, Part.SENTENCE) == (
        "Open the repair (https://app.rssystems.com/a?b=1&c=2) & look.\n\n"
        "- one\n- 417\n\nThen\ncall."
    )


def test_a_sentence_s_links_and_paragraphs_get_their_styles() -> None:
    shown = render_html("<p>Open <a href='{{ action_url }}'>it</a>.</p>")
    assert shown.startswith('<p style="margin')
    assert 'href="https://app.rssystems.com/a?b=1&amp;c=2"' in shown


WORDS = ["visit.unit", "reason", "recipient_name", "brand.name", "visit.cost", "action_url", "no"]
PIECES = st.one_of(
    st.sampled_from(
        [
            "{% if reason %}",
            "{% elif number > 1 %}",
            "{% else %}",
            "{% endif %}",
            "<p>",
            "</p>",
            "<b>",
            "</b>",
            "<ul>",
            "</ul>",
            "<li>",
            "</li>",
            "<br>",
            "<script>",
            "{{",
            "}}",
            "\n",
            "<a href='{{ action_url }}'>",
            "</a>",
            "{% plural number 'a' '<b>' %}",
            "&lt;",
            "<",
            "{{ reason|default:'<i>'|upper }}",
            "{{ visit.cost|money }}",
            '"',
            "'",
            "&#123;",
        ]
    ),
    st.sampled_from(WORDS).map("{{{{ {} }}}}".format),
    st.text(max_size=8),
)


@given(st.lists(PIECES, max_size=14).map("".join), st.sampled_from(Part))
@example("<a href='{{ action_url }}'>{{ recipient_name }}</a>", Part.SENTENCE)
def test_a_random_source_is_a_problem_or_harmless(source: str, part: Part) -> None:
    try:
        compiled = compile_part(KIND, part, source)
    except TemplateProblem:
        return
    most = safe.LONGEST[FORM[part]] + safe.MOST_TAGS * 6 * variables.LONGEST_VALUE
    assert len(compiled.plain.fill(VALUES)) <= most
    if FORM[part] != Form.HTML:
        return
    shown = render_html(source)
    assert len(shown) <= 2 * most
    fragment = html5lib.parseFragment(shown, namespaceHTMLElements=False)
    tags = {each.tag for each in fragment.iter()} - {"DOCUMENT_FRAGMENT"}
    assert tags <= {"p", "br", "b", "strong", "i", "em", "a", "ul", "ol", "li"}
    assert {name for each in fragment.iter() for name in each.attrib} <= {"href", "style"}


def test_a_long_value_is_cut() -> None:
    cut = variables.cut({"a": "x" * 5000, "b": {"c": "y" * 5000}, "d": 1})
    assert (len(cut["a"]), len(cut["b"]["c"]), cut["d"]) == (2000, 2000, 1)


def test_today_is_a_date_and_a_time() -> None:
    values = {**VALUES, "visit": {**VALUES["visit"], "at": datetime(2026, 3, 9, 14, 5, tzinfo=UTC)}}
    source = compile_part(KIND, Part.SUBJECT, "{{ visit.at|date }}, {{ visit.at|time }}").plain
    assert source.fill(values) == "March 9, 2026, 2:05 p.m."
