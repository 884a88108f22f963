"""Which words a message has: the file's, the published ones, and those that it keeps."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.channels.email import EmailService
from apps.core.channels.sms import SMSService
from apps.core.message import kinds, rendering, wording
from apps.core.message.parts import Part
from apps.core.models import Delivery, Notification, WordingVersion
from apps.core.models.wording import WordingState
from apps.core.states import Channel
from tests.support.queries import statements

KIND = "repair_approved"
Notify = Callable[..., list[Notification]]


@pytest.fixture
def publish(db: None) -> Iterator[Callable[..., wording.Wording]]:
    """Publishes the file's words with these changes."""

    def make(language: str = "en", **changes: str) -> wording.Wording:
        parts: dict[Any, str] = {**wording.of_file(KIND, language).parts, **changes}
        rows = WordingVersion.objects.filter(kind=KIND, language=language, number__gt=0)
        rows.update(state=WordingState.REPLACED)
        words = wording.Wording.of(KIND, language, rows.count() + 1, parts)
        WordingVersion.objects.create(
            kind=KIND,
            language=language,
            number=words.number,
            state=WordingState.PUBLISHED,
            overrides=changes,
            parts=words.parts,
            digest=words.digest,
        )
        wording.forget()
        return words

    yield make
    wording.forget()


def composed(row: Notification) -> tuple[str, str]:
    """Return the e-mail's subject and the text message, as a worker composes them."""
    found = {
        delivery.channel: delivery
        for delivery in Delivery.objects.select_related("notification__recipient__contact").filter(
            notification=row
        )
    }
    mail = EmailService().compose(found[Channel.EMAIL], None)
    return mail.subject, SMSService().compose(found[Channel.SMS], None).text


@pytest.mark.parametrize("language", wording.languages())
@pytest.mark.parametrize("name", kinds.worded())
def test_every_kind_is_worded_in_every_language(name: str, language: str) -> None:
    words, english = wording.of_file(name, language), wording.of_file(name, "en")
    assert words.language == language
    assert set(words.parts) == set(english.parts), f"{name} in {language}"


@pytest.mark.parametrize(
    ("asked", "found"), [("es", "es"), ("es-mx", "es"), ("ES-MX", "es"), ("fr", "en"), ("", "en")]
)
def test_the_nearest_language_is_used(asked: str, found: str) -> None:
    assert wording.of_file(KIND, asked).language == found


def test_a_kind_without_a_file_is_named() -> None:
    with pytest.raises(wording.NoWording, match=r"messages/en/no_such_kind.toml"):
        wording.of_file("no_such_kind", "es")


@pytest.mark.parametrize(
    ("text", "told"),
    [('title = "x"', "lacks the parts action, sms, subject, text"), ('titel = "x"', "titel")],
)
def test_a_file_that_lacks_or_invents_parts_is_named(tmp_path: Any, text: str, told: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(wording.NoWording, match=told):
        wording._read(path, kinds.required_parts("x"))


def test_the_digest_changes_with_kind_language_and_words() -> None:
    words = wording.of_file(KIND, "en")
    others = [
        wording.Wording.of("repair_denied", "en", 0, words.parts),
        wording.Wording.of(KIND, "es", 0, words.parts),
        wording.Wording.of(KIND, "en", 0, {**words.parts, Part.TITLE: "x"}),
    ]
    assert len({each.digest for each in (words, *others)}) == 4
    assert wording.Wording.of(KIND, "en", 5, words.parts).digest == words.digest


def test_a_message_keeps_the_words_of_its_notify(
    publish: Any, notify: Notify, person: Any, woken: Any, memory_providers: None
) -> None:
    (before,) = notify(person())
    old = composed(before)
    publish(subject="New: {{ job.number }}", sms="New: {{ action_url }}", title="New")
    (after,) = notify(person())
    assert composed(before) == old
    assert composed(after)[0] == "New: R-1042"
    assert composed(after)[1].startswith("New: http")
    assert (before.title == "New", after.title) == (False, "New")


def test_a_message_in_words_that_a_deploy_changed_is_still_sent_and_shown(
    notify: Notify, person: Any, woken: Any, memory_providers: None, monkeypatch: Any
) -> None:
    wording.record_files()
    (row,) = notify(person())
    old = composed(row)
    changed = wording.Wording.of(
        KIND, "en", 0, {**wording.of_file(KIND, "en").parts, Part.SUBJECT: "Changed"}
    )
    monkeypatch.setattr(wording, "_of_file", lambda kind, language: changed)
    monkeypatch.setattr(wording, "_of_files", lambda: {changed.digest: changed})
    monkeypatch.setattr(wording, "_seen", {})
    assert composed(row) == old
    row.refresh_from_db()
    sent = rendering.as_sent(row, Channel.EMAIL)
    assert isinstance(sent, rendering.EmailContent)
    assert sent.subject == old[0]
    assert composed(notify(person())[0])[0] == "Changed"


def test_words_that_no_longer_fit_the_kind_give_way_to_the_file(
    publish: Any, notify: Notify, person: Any, woken: Any, memory_providers: None, caplog: Any
) -> None:
    publish(subject="{{ job.colour }}")
    (row,) = notify(person())
    assert row.wording == wording.of_file(KIND, "en").digest
    assert "There is no job.colour" in caplog.text
    Notification.objects.filter(pk=row.pk).update(wording="0" * 16)
    assert composed(row)[0].startswith("Approved:")


def test_each_recipient_reads_their_own_language_in_as_many_statements(
    notify: Notify, person: Callable[..., User], woken: Any, memory_providers: None
) -> None:
    everyone = [person(language=language) for language in ("", "es", "en", "es")]
    people = list(User.objects.filter(pk__in=[each.pk for each in everyone]))
    with CaptureQueriesContext(connection) as captured:
        rows = notify(people)
    assert len(statements(captured)) <= 3
    found = {row.recipient_id: row for row in rows}
    english, spanish = (
        {"title": found[each.pk].title, "wording": found[each.pk].wording} for each in everyone[:2]
    )
    assert english != spanish
    for each, expected in zip(everyone, (english, spanish, english, spanish), strict=True):
        row = found[each.pk]
        assert {"title": row.title, "wording": row.wording} == expected
    assert composed(found[everyone[1].pk])[0].startswith("Aprobad")
    mail = EmailService().compose(_email_of(found[everyone[1].pk]), None)
    assert mail.headers["Content-Language"] == "es"
    assert '<html lang="es"' in mail.html


def test_a_choice_of_language_after_notify_changes_no_message_that_waits(
    notify: Notify, person: Any, woken: Any, memory_providers: None
) -> None:
    jane = person()
    (row,) = notify(jane)
    jane.contact.language = "es"
    jane.contact.save()
    assert composed(row)[0].startswith("Approved:")


def test_one_version_is_published_for_each_kind_and_language(publish: Any) -> None:
    publish(title="one")
    publish("es", title="uno")
    publish(title="two")
    assert wording.current(KIND, "en").parts[Part.TITLE] == "two"
    assert wording.current(KIND, "es-mx").parts[Part.TITLE] == "uno"
    assert wording.current(KIND, "en").number == 2


def test_a_published_version_is_seen_within_seconds_without_being_told(
    publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(title="one")
    wording.current(KIND, "en")
    WordingVersion.objects.filter(state=WordingState.PUBLISHED).update(state=WordingState.WITHDRAWN)
    assert wording.current(KIND, "en").number == 1
    now = time.monotonic() + wording._published.kept_s
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert wording.current(KIND, "en").number == 0


def test_migrate_keeps_the_files_once(db: None) -> None:
    call_command("migrate", verbosity=0)
    kept = WordingVersion.objects.filter(state=WordingState.FILE)
    assert kept.count() == len(kinds.worded()) * len(wording.languages())
    call_command("migrate", verbosity=0)
    assert kept.count() == len(kinds.worded()) * len(wording.languages())
    assert wording.find(kept.filter(kind=KIND, language="es").get().digest) == wording.of_file(
        KIND, "es"
    )


def test_parts_that_the_code_no_longer_knows_are_left_out(db: None) -> None:
    WordingVersion.objects.create(
        kind=KIND, language="en", number=9, parts={"title": "x", "banner": "y"}, digest="f" * 16
    )
    words = wording.find("f" * 16)
    assert words
    assert words.parts == {Part.TITLE: "x"}


def _email_of(row: Notification) -> Delivery:
    return Delivery.objects.select_related("notification__recipient__contact").get(
        notification=row, channel=Channel.EMAIL
    )
