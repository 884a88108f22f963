"""Drafts and versions of a message's words: nothing is lost, and nothing wrong takes effect."""

import threading
import time

import pytest
from django.db import connection, transaction

from apps.core.message import rendering, wording
from apps.core.message.parts import Part
from apps.core.models import WordingVersion
from apps.core.models.wording import WordingState
from apps.core.services import wording as service
from apps.core.services.wording import Conflict, Unpublishable

KIND, LANGUAGE = "repair_approved", "en"
ADDRESS = (KIND, LANGUAGE)
SUBJECT = "Go ahead: unit {{ job.unit }} ({{ job.number }})"
OTHER = "You can start: unit {{ job.unit }} ({{ job.number }})"


@pytest.fixture
def sam(person):
    return person()


@pytest.fixture
def kim(person):
    return person()


def draft() -> WordingVersion:
    row = service.draft(*ADDRESS)
    assert row
    return row


def now():
    """Return the revision that a person who opens the page sees."""
    return service.revision(service.draft(*ADDRESS), service.published(*ADDRESS))


def save(by, subject=SUBJECT, seen=None):
    seen = now() if seen is None else seen
    return service.save(*ADDRESS, {Part.SUBJECT: subject}, why="It is shorter.", by=by, seen=seen)


def publish(by, subject=SUBJECT):
    save(by, subject)
    return service.publish(*ADDRESS, by=by, seen=now())


def subject_in_effect():
    wording.forget()
    return wording.current(*ADDRESS).parts[Part.SUBJECT]


def original():
    return wording.of_file(*ADDRESS).parts[Part.SUBJECT]


def test_a_draft_changes_nothing_and_keeps_who_and_why(sam):
    row = save(sam)
    assert subject_in_effect() == original()
    assert (row.made_by, row.why, row.number) == (sam, "It is shorter.", 0)
    assert row.overrides == {"subject": SUBJECT}


def test_the_same_person_writes_on_in_one_draft(sam):
    first = save(sam)
    second = save(sam, OTHER)
    assert first.pk == second.pk
    assert draft().overrides == {"subject": OTHER}


def test_a_published_version_has_its_number_its_author_and_all_parts(sam, notify, person):
    row = publish(sam)
    assert (row.state, row.number, row.published_by) == (WordingState.PUBLISHED, 1, sam)
    parts = {str(part): source for part, source in wording.of_file(*ADDRESS).parts.items()}
    assert row.parts == parts | {"subject": SUBJECT}
    assert service.draft(*ADDRESS) is None
    assert subject_in_effect() == SUBJECT
    (notification,) = notify(person())
    assert rendering.email(notification).subject == "Go ahead: unit 417 (R-1042)"
    assert notification.wording == row.digest


def test_a_message_keeps_the_words_of_its_time(sam, notify, person):
    publish(sam)
    wording.forget()
    (before,) = notify(person())
    publish(sam, OTHER)
    wording.forget()
    assert rendering.email(before).subject.startswith("Go ahead")
    (after,) = notify(person())
    assert rendering.email(after).subject.startswith("You can start")


def test_the_later_version_replaces_the_earlier_one(sam):
    first, second = publish(sam), publish(sam, OTHER)
    first.refresh_from_db()
    assert (first.state, second.number) == (WordingState.REPLACED, 2)
    assert subject_in_effect() == OTHER
    assert [row.number for row in service.history(*ADDRESS)] == [2, 1]


def test_an_earlier_version_can_be_published_again(sam, kim):
    publish(sam)
    publish(sam, OTHER)
    row = service.publish_again(*ADDRESS, 1, why="The other one confused people.", by=kim)
    assert (row.number, row.published_by, row.why) == (3, kim, "The other one confused people.")
    assert row.based_on
    assert row.based_on.number == 1
    assert subject_in_effect() == SUBJECT


def test_going_back_to_the_original_ends_every_change(sam, kim):
    publish(sam)
    row = service.publish_again(*ADDRESS, 0, why="Enough.", by=kim)
    assert (row.number, row.published_by, row.state) == (2, kim, WordingState.WITHDRAWN)
    assert subject_in_effect() == original()
    assert service.published(*ADDRESS) is None


def test_a_draft_without_changes_goes_back_to_the_original(sam):
    publish(sam)
    service.save(*ADDRESS, {}, why="Back.", by=sam, seen=now())
    assert service.publish(*ADDRESS, by=sam, seen=now()).state == WordingState.WITHDRAWN
    assert subject_in_effect() == original()


def test_a_discarded_draft_stays_in_the_history(sam, kim):
    save(sam)
    service.discard(*ADDRESS, by=kim, seen=now())
    assert service.draft(*ADDRESS) is None
    (row,) = service.history(*ADDRESS)
    assert (row.made_by, row.withdrawn_by) == (sam, kim)
    assert row.overrides == {"subject": SUBJECT}
    assert row.withdrawn_at is not None


def test_the_later_of_two_saves_is_told_and_the_earlier_words_stay(sam, kim):
    opened_by_both = now()
    save(sam, seen=opened_by_both)
    with pytest.raises(Conflict):
        save(kim, OTHER, seen=opened_by_both)
    assert draft().overrides == {"subject": SUBJECT}
    # Kim has now seen Sam's words, and saves over them.
    save(kim, OTHER)
    assert draft().made_by == kim
    (kept,) = service.history(*ADDRESS)
    assert (kept.made_by, kept.withdrawn_by, kept.overrides) == (sam, kim, {"subject": SUBJECT})


@pytest.mark.parametrize("action", ["publish", "discard"])
def test_nobody_publishes_or_discards_words_that_they_have_not_seen(sam, kim, action):
    save(sam)
    seen_by_kim = now()
    save(sam, OTHER)
    with pytest.raises(Conflict):
        getattr(service, action)(*ADDRESS, by=kim, seen=seen_by_kim)
    assert draft().overrides == {"subject": OTHER}


def test_a_draft_does_not_undo_what_was_published_after_it_was_begun(sam, kim):
    publish(sam)
    save(sam, OTHER)
    service.publish_again(*ADDRESS, 0, why="Back.", by=kim)
    with pytest.raises(Conflict):
        service.publish(*ADDRESS, by=sam, seen=now())
    # Saved again, it is based on what is in effect now.
    save(sam, OTHER)
    assert service.publish(*ADDRESS, by=sam, seen=now()).number == 3


def test_there_is_nothing_to_publish_or_discard_without_a_draft(sam):
    for action in (service.publish, service.discard):
        with pytest.raises(Conflict):
            action(*ADDRESS, by=sam, seen=now())


def test_refused_words_do_not_take_effect_and_the_draft_stays(sam):
    save(sam, "Approved: {{ job.nothing }}")
    with pytest.raises(Unpublishable) as refused:
        service.publish(*ADDRESS, by=sam, seen=now())
    (finding,) = refused.value.report.refusals
    assert (finding.part, finding.line) == (Part.SUBJECT, 1)
    assert service.draft(*ADDRESS) is not None
    assert service.published(*ADDRESS) is None


def test_a_version_that_no_longer_fits_is_not_published_again(sam):
    first = publish(sam)
    publish(sam, OTHER)
    WordingVersion.objects.filter(pk=first.pk).update(overrides={"subject": "{{ gone }}"})
    with pytest.raises(Unpublishable):
        service.publish_again(*ADDRESS, 1, why="Back.", by=sam)
    assert subject_in_effect() == OTHER


def test_an_unknown_version_cannot_be_published(sam):
    with pytest.raises(WordingVersion.DoesNotExist):
        service.publish_again(*ADDRESS, 7, why="Back.", by=sam)


def test_languages_have_versions_of_their_own(sam):
    publish(sam)
    assert service.published(KIND, "es") is None
    wording.forget()
    assert wording.current(KIND, "es") == wording.of_file(KIND, "es")


def test_other_processes_read_it_when_their_cache_ends(sam, monkeypatch):
    assert wording.current(*ADDRESS).number == 0
    # Another process publishes: this one is not told.
    monkeypatch.setattr(wording, "forget", lambda: None)
    publish(sam)
    assert wording.current(*ADDRESS).number == 0
    clock = time.monotonic() + wording._published.kept_s
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    assert wording.current(*ADDRESS).number == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("begin", ["nothing", "a draft"])
def test_of_two_saves_at_the_same_time_one_is_told(person, begin):
    sam, kim = person(), person()
    if begin == "a draft":
        save(sam, "Hello {{ job.unit }}")
    seen, outcomes, start = now(), [], threading.Barrier(2)

    def write(by, subject):
        try:
            start.wait()
            save(by, subject, seen=seen)
            outcomes.append("saved")
        except Conflict:
            outcomes.append("told")
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=args) for args in ((sam, SUBJECT), (kim, OTHER))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["saved", "told"]
    assert WordingVersion.objects.filter(state=WordingState.DRAFT).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_publications_at_the_same_time_one_is_told(person):
    sam, kim = person(), person()
    save(sam)
    seen, outcomes, start = now(), [], threading.Barrier(2)

    def run(by):
        try:
            start.wait()
            service.publish(*ADDRESS, by=by, seen=seen)
            outcomes.append("published")
        except Conflict:
            outcomes.append("told")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(by,)) for by in (sam, kim)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["published", "told"]
    assert WordingVersion.objects.filter(state=WordingState.PUBLISHED).count() == 1


def test_a_rolled_back_publication_leaves_nothing(sam):
    save(sam)
    with transaction.atomic():
        service.publish(*ADDRESS, by=sam, seen=now())
        transaction.set_rollback(True)
    assert service.published(*ADDRESS) is None
    assert subject_in_effect() == original()


@pytest.mark.django_db(transaction=True)
def test_a_publication_beside_the_return_of_an_earlier_version_is_told(person, monkeypatch):
    sam, kim = person(), person()
    publish(sam)
    service.publish_again(*ADDRESS, 0, why="Back.", by=sam)
    save(sam, OTHER)
    seen, publish_draft = now(), service._publish

    def return_first(row, before, by):
        monkeypatch.setattr(service, "_publish", publish_draft)
        other = threading.Thread(target=return_earlier)
        other.start()
        other.join()
        return publish_draft(row, before, by)

    def return_earlier():
        service.publish_again(*ADDRESS, 1, why="Again.", by=kim)
        connection.close()

    if connection.vendor == "sqlite":
        pytest.skip("SQLite runs one transaction after the other")
    monkeypatch.setattr(service, "_publish", return_first)
    with pytest.raises(Conflict):
        service.publish(*ADDRESS, by=sam, seen=seen)
    assert subject_in_effect() == SUBJECT
