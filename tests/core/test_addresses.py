from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from apps.core import conf
from apps.core.addresses import canonical, shown
from apps.core.exceptions import NotSendable
from apps.core.guards import suppressions
from apps.core.models import Contact, Delivery, Suppression
from apps.core.models.contact import is_unassigned, validate_e164
from apps.core.models.suppression import SuppressionReason
from apps.core.providers import mail_format, memory
from apps.core.states import Channel, DeliveryState
from tests.support.attempts import attempt

BUCHER = "jane@xn--bcher-kva.example"
#: Ways to write one address.
SPELLINGS = [
    BUCHER,
    "jane@bücher.example",
    "Jane@BÜCHER.example",
    "jane@bu\u0308cher.example",
    "jane@büch\u200ber.example",
    " jane@bücher\u3002example\ufeff",
]


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        *((spelling, BUCHER) for spelling in SPELLINGS),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("a@strasse.example", "a@strasse.example"),
        ("JOSÉ@x.example", "josé@x.example"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@under_score.example", "a@under_score.example"),
        ("jane@faß.de", "jane@xn--fa-hia.de"),
        ("jane@\uff25\uff38ample.com", "jane@example.com"),
        ("jane@exam\u3164p\ufe0fl\u034fe.com", "jane@example.com"),
        ("ja\u200dne@x.example", "jane@x.example"),
        ("@Bücher.example", "@xn--bcher-kva.example"),
        ("+12025550123", "+12025550123"),
        ("", ""),
    ],
)
def test_an_address_has_one_canonical_form(typed: str, form: str) -> None:
    assert canonical(typed) == canonical(form) == form


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("+12025550105", "(202) 555-0105"),
        ("+13505550123", "(350) 555-0123"),
        ("+14165550123", "+1 416-555-0123"),
        ("+442079460018", "+44 20 7946 0018"),
        ("+", "+"),
        ("2025550105@fleet.example", "2025550105@fleet.example"),
        ("", ""),
    ],
)
def test_a_number_is_shown_as_people_write_it(stored: str, read: str) -> None:
    assert shown(stored) == read


@pytest.mark.parametrize("bounced", SPELLINGS)
@pytest.mark.parametrize("stored", ["jane@bücher.example", BUCHER])
def test_a_suppression_holds_for_every_spelling_of_its_address(
    delivery: Callable[..., Delivery], person: Callable[..., User], stored: str, bounced: str
) -> None:
    row = delivery(recipient=person(email=stored, verified_email=stored))
    suppressions.suppress(Channel.EMAIL, bounced, SuppressionReason.BOUNCE)
    suppressions.suppress(Channel.EMAIL, stored, SuppressionReason.BOUNCE)
    assert Suppression.objects.count() == 1
    attempt(row.pk)
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.SKIPPED


def test_a_complaint_in_another_spelling_withdraws_the_consent(
    person: Callable[..., User],
) -> None:
    user = person(email="jane@bücher.example")
    suppressions.suppress(Channel.EMAIL, SPELLINGS[2], SuppressionReason.COMPLAINT)
    assert not Contact.objects.get(user=user).wants_email


def test_the_wire_has_the_canonical_form(
    delivery: Callable[..., Delivery], person: Callable[..., User]
) -> None:
    address = "Jane@straße.example"
    row = delivery(recipient=person(email=address, verified_email=address))
    attempt(row.pk)
    assert memory.emails[0].to == ["jane@xn--strae-oqa.example"]


def test_a_contact_shows_what_is_stored_and_stays_verified(person: Callable[..., User]) -> None:
    contact: Any = person(email=SPELLINGS[2], verified_email=SPELLINGS[1]).contact
    assert contact.email == contact.verified_email == BUCHER
    assert Contact.objects.get(email=SPELLINGS[4]) == contact


@pytest.mark.parametrize("address", SPELLINGS)
def test_the_allow_list_of_staging_knows_every_spelling(settings: Any, address: str) -> None:
    settings.ENVIRONMENT = "staging"
    settings.STAGING_ALLOWED_RECIPIENTS = ["@BÜCHER.example"]
    assert conf.may_reach(address)
    assert not conf.may_reach("jane@bucher.example")


@pytest.mark.parametrize(
    "address", ["jane@i\u2764.example", "jane@ex\u2800ample.com", "jane@x y.example"]
)
def test_an_address_whose_domain_no_server_can_be_asked_for_is_refused(
    person: Callable[..., User], address: str
) -> None:
    contact: Any = person().contact
    contact.email = address
    with pytest.raises(ValidationError) as refused:
        contact.full_clean()
    assert list(refused.value.message_dict) == ["email"]
    with pytest.raises(NotSendable):
        mail_format.recipient(address)


@pytest.mark.parametrize("number", ["+13505550123", "+12025550123", "+491511234567"])
def test_a_number_of_a_new_area_code_is_accepted(number: str) -> None:
    validate_e164(number)


def test_a_number_of_no_known_network_is_warned_about() -> None:
    assert is_unassigned("+15555550123")
    assert not is_unassigned("+12025550123")
    assert not is_unassigned("")


@pytest.mark.parametrize("number", ["+1202555012", "+9991234567890", "+88312345678901", "+1"])
def test_a_number_that_cannot_be_is_refused(number: str) -> None:
    with pytest.raises(ValidationError):
        validate_e164(number)
