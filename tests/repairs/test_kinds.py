"""The kinds about repairs: their table, and their texts for samples and awkward values."""

import re
from decimal import Decimal
from typing import Any

import pytest

from apps.core.exceptions import InvalidContext
from apps.core.message import kinds, rendering, segments
from apps.core.models import Notification
from apps.core.states import Priority
from apps.repairs.kinds import NEXT_STEP
from apps.repairs.models import Status
from tests.support.messages import in_app, sample

KINDS = {
    "repair_pending_approval": ("approval", Priority.HIGH),
    "repair_approved": ("approval", Priority.URGENT),
    "repair_denied": ("approval", Priority.URGENT),
    "batch_approved": ("approval", Priority.URGENT),
    "repair_assigned": ("assignment", Priority.HIGH),
    "repair_reassigned_away": ("assignment", Priority.MEDIUM),
    "repair_in_progress": ("repair_status", Priority.MEDIUM),
    "repair_completed": ("repair_status", Priority.HIGH),
    "repair_unassigned": ("assignment", Priority.MEDIUM),
    "repair_approval_reminder": ("approval", Priority.MEDIUM),
    "repair_approval_overdue": ("approval", Priority.MEDIUM),
    "repair_cost_pending": ("approval", Priority.HIGH),
    "repair_cost_approved": ("approval", Priority.MEDIUM),
    "repair_cost_denied": ("approval", Priority.HIGH),
    "repair_taken_back": ("approval", Priority.URGENT),
}
LINK = "https://app.rssystems.com/repairs/1042/"
every_kind = pytest.mark.parametrize("name", KINDS)


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SITE_URL = "https://app.rssystems.com"
    settings.OFFICE_PHONE = "+1 (202) 555-0199"


def notification(name: str, **changes: Any) -> Notification:
    """Return a notification of this kind with the sample's context and these changes."""
    context = kinds.get(name).sample.model_dump(mode="json")
    context["job"].update(changes.pop("job", {}))
    return sample(name, context={**context, **changes})


def test_the_kinds_are_those_of_the_table() -> None:
    registered = {
        kind.name: (kind.category.name, kind.priority) for kind in kinds.REGISTRY.values()
    }
    assert KINDS.items() <= registered.items()


@every_kind
def test_a_text_message_fits_one_part_and_ends_with_its_link(name: str) -> None:
    text = rendering.sms(notification(name)).text
    size = segments.count(text)
    assert (size.encoding, size.parts) == (segments.GSM_7, 1), f"{size.units} units: {text}"
    assert text.startswith("RS Systems: ")
    assert text.endswith(f" {LINK}")
    assert text.isascii()


@every_kind
def test_both_bodies_of_an_email_have_the_facts_and_the_link(name: str) -> None:
    row = notification(name)
    email, job = rendering.email(row), row.context["job"]
    assert job["number"] in email.subject
    for body in (email.text, email.html):
        assert LINK in body
        assert "Pat Doyle" in body
        assert job["vehicle"] in body
        assert in_app(row).title in body
    assert "{" not in email.text
    assert not re.search(r"\n{3,}", email.text)


@every_kind
def test_the_in_app_message_names_the_repair_and_the_next_step(name: str) -> None:
    row = notification(name)
    words = in_app(row)
    assert row.context["job"]["unit"] in words.title
    assert len(words.title) <= 80
    assert row.context["job"]["number"] in words.text
    assert words.text.count(".") >= 2


@every_kind
def test_markup_in_a_value_is_escaped(name: str) -> None:
    row = notification(name, job={"company": "<b>O'Brien & Sons</b>"})
    email = rendering.email(row)
    assert "<b>O" not in email.html
    assert "<b>O'Brien & Sons</b>" in email.text


@every_kind
def test_a_missing_value_is_refused_by_name(name: str) -> None:
    kind = kinds.get(name)
    fields = type(kind.sample).model_fields.items()
    for field in [name for name, each in fields if each.is_required()]:
        context = kind.sample.model_dump(mode="json")
        del context[field]
        with pytest.raises(InvalidContext, match=field):
            kind.validate(context)


@every_kind
def test_a_blank_value_is_refused_by_name(name: str) -> None:
    kind = kinds.get(name)
    with pytest.raises(InvalidContext, match=r"job\.unit"):
        kind.validate(notification(name, job={"unit": " "}).context)


def test_a_long_reason_does_not_make_the_text_message_longer() -> None:
    text = rendering.sms(notification("repair_denied", reason="Too dear. " * 40)).text
    assert segments.count(text).parts == 1
    assert "Do not work on it." in text


@pytest.mark.parametrize("name", ["repair_denied", "repair_cost_denied"])
def test_a_denial_says_how_to_call_the_office(name: str) -> None:
    row = notification(name)
    email = rendering.email(row)
    assert re.search(r'href="tel:\+12025550199"[^>]*>\+1 \(202\) 555-0199</a>', email.html)
    for text in (email.text, rendering.sms(row).text, in_app(row).text):
        assert "+1 (202) 555-0199" in text


@pytest.mark.parametrize("name", ["repair_denied", "repair_cost_denied"])
def test_without_a_number_a_denial_names_the_office_only(name: str, settings: Any) -> None:
    settings.OFFICE_PHONE = ""
    row = notification(name)
    assert "tel:" not in rendering.email(row).html
    assert "call the office" in in_app(row).text


@pytest.mark.parametrize("name", ["repair_completed", "repair_cost_pending", "repair_cost_denied"])
def test_a_message_about_the_cost_names_both_sums(name: str) -> None:
    row = notification(name)
    email = rendering.email(row)
    for text in (email.text, email.html, rendering.sms(row).text, in_app(row).text):
        assert "$412.50" in text
        assert kinds.format_money(Decimal(row.context["final_cost"])) in text


def test_a_cost_within_the_estimate_is_told_without_a_reason() -> None:
    assert "wrote" not in in_app(notification("repair_completed", reason="")).text


def test_every_open_state_has_a_next_step() -> None:
    assert set(NEXT_STEP) == set(Status) - {Status.DENIED, Status.COMPLETED}
