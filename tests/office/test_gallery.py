"""The gallery of messages, and the sample that a member of the office sends to themselves."""

from datetime import UTC, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from apps.core.message import folded, kinds, wording
from apps.core.message.parts import Part
from apps.core.models import CostTally, Delivery, WordingVersion
from apps.core.models.wording import WordingState
from apps.core.services import sample_message
from apps.core.services import wording as service
from apps.core.states import Channel
from apps.office import volume
from tests.support.people import create_contact

pytestmark = pytest.mark.django_db

PAGE = "/office/messages/gallery/"
SEND = "/office/messages/gallery/repair_approved/en/"


@pytest.fixture
def sam():
    user = User.objects.create_user("sam", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_wordingversion"))
    create_contact(user, "+12025550199")
    return user


@pytest.fixture
def office(sam):
    client = Client()
    client.force_login(sam)
    return client


def publish(words):
    WordingVersion.objects.create(
        kind=words.kind,
        language=words.language,
        number=1,
        state=WordingState.PUBLISHED,
        parts=dict(words.parts),
        digest=words.digest,
    )


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_kind_is_shown_with_its_size_and_price(office, language):
    CostTally.objects.create(
        day=timezone.now().astimezone(UTC).date(),
        channel=Channel.SMS,
        kind="repair_approved",
        messages=3,
    )
    page = office.get(PAGE, {"language": language, "shape": "dark"}).content.decode()
    for name in kinds.worded():
        assert f'data-testid="item-{name}"' in page
        assert f'src="/office/messages/{name}/{language}/dark/"' in page
    assert '3 <span class="soft">at most $0.02</span>' in page


def test_an_unknown_language_or_shape_shows_the_first(office):
    page = office.get(PAGE, {"language": "xx", "shape": "sms"}).content.decode()
    assert 'src="/office/messages/repair_approved/en/phone/"' in page


def test_the_volume_adds_up_the_texts_of_the_last_30_days():
    today = timezone.now().astimezone(UTC).date()
    for days_ago, channel, country in (
        (0, Channel.SMS, "US"),
        (29, Channel.SMS, "US"),
        (29, Channel.SMS, "MX"),
        (29, Channel.EMAIL, ""),
        (30, Channel.SMS, "US"),
    ):
        CostTally.objects.create(
            day=today - timedelta(days=days_ago),
            channel=channel,
            country=country,
            kind="repair_approved",
            messages=2,
        )
    assert volume.texts_by_kind() == {"repair_approved": 6}


def test_the_price_is_that_of_all_parts_rounded_up(settings):
    settings.SMS_PRICES_USD = {}
    settings.SMS_MAX_PRICE_USD = Decimal("0.033")
    assert str(volume.price(3, 2)) == "0.20"


@pytest.mark.parametrize("channel", list(Channel))
def test_the_sample_goes_to_the_verified_address_of_the_person_who_asks(office, sam, channel):
    office.post(SEND, {"channel": channel, "to": "other@example.com"})
    row = Delivery.objects.get()
    assert (row.notification.recipient, row.channel) == (sam, channel)
    assert row.direct_to == sam.contact.address(channel)


def test_the_subject_and_title_say_that_it_is_a_sample(office):
    office.post(SEND, {"channel": "email"})
    row = Delivery.objects.get()
    wording.forget()
    assert folded.email(row).subject.startswith("Sample: Approved: unit 417")
    assert row.notification.title.startswith("Sample: ")
    # Real messages have the words without the mark.
    assert not wording.current("repair_approved", "en").parts[Part.SUBJECT].startswith("Sample")
    office.post(SEND, {"channel": "email"})
    assert WordingVersion.objects.filter(state=WordingState.SAMPLE).count() == 1


def test_the_words_of_a_sample_are_as_young_as_its_last_use(office):
    office.post(SEND, {"channel": "email"})
    samples = WordingVersion.objects.filter(state=WordingState.SAMPLE)
    samples.update(made_at=timezone.now() - timedelta(days=400))
    office.post(SEND, {"channel": "email"})
    assert timezone.now() - samples.get().made_at < timedelta(minutes=5)


def test_nothing_goes_to_an_address_that_is_not_verified(office, sam):
    sam.contact.verified_email = ""
    sam.contact.save()
    answer = office.post(SEND, {"channel": "email"}, follow=True)
    assert "Confirm your own address" in answer.content.decode()
    assert not Delivery.objects.exists()


def test_words_that_two_people_stored_at_the_same_moment_are_sent_again(office):
    office.post(SEND, {"channel": "email"})
    row = WordingVersion.objects.get(state=WordingState.SAMPLE)
    row.pk = None
    row.save(force_insert=True)
    answer = office.post(SEND, {"channel": "email"}, follow=True)
    assert "on its way to you" in answer.content.decode()
    assert Delivery.objects.count() == 2


def test_a_subject_without_room_for_the_mark_is_not_sent(office, sam):
    subject = "{% if job.unit %}Approved{% endif %}".ljust(500, "x")
    in_effect = service.complete("repair_approved", "en", {Part.SUBJECT: subject})
    publish(in_effect)
    answer = office.post(SEND, {"channel": "email"}, follow=True)
    assert "The sample cannot be made: subject, line 1: It is too long" in answer.content.decode()
    assert not Delivery.objects.exists()
    assert not WordingVersion.objects.filter(state=WordingState.SAMPLE).exists()


def test_words_that_no_longer_fit_the_code_are_shown_as_people_get_them(office):
    publish(service.complete("repair_approved", "en", {Part.SUBJECT: "{{ gone }}"}))
    page = office.get(PAGE)
    assert page.status_code == 200
    assert 'data-testid="item-repair_approved"' in page.content.decode()


@pytest.mark.parametrize("kind", ["confirm_phone", "new_password", "folded"])
def test_codes_links_and_digests_have_no_sample_to_send(office, kind):
    office.post(f"/office/messages/gallery/{kind}/en/", {"channel": "email"})
    assert not Delivery.objects.exists()
    assert f'data-testid="send-{kind}-email"' not in office.get(PAGE).content.decode()


def test_samples_are_few_in_an_hour(office, monkeypatch):
    monkeypatch.setattr(sample_message, "MOST_IN_AN_HOUR", 2)
    for _ in range(3):
        answer = office.post(SEND, {"channel": "email"}, follow=True)
    assert "You sent yourself 2 samples" in answer.content.decode()
    assert Delivery.objects.count() == 2


@pytest.mark.parametrize("channel", ["", "pigeon"])
def test_an_unknown_channel_is_not_found(office, channel):
    assert office.post(SEND, {"channel": channel}).status_code == 404


def test_a_sample_is_asked_for_by_post_and_by_staff_only(office):
    assert office.get(SEND).status_code == 405
    stranger = Client()
    stranger.force_login(User.objects.create_user("jane"))
    assert stranger.post(SEND, {"channel": "email"}).status_code == 403
    assert not Delivery.objects.exists()
