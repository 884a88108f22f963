"""Send the sample of a kind of message to the person who asks for it."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.shortcuts import resolve_url
from django.utils import timezone

from apps.core.message import kinds
from apps.core.message.parts import Part
from apps.core.message.safe import TemplateProblem
from apps.core.message.wording import Wording
from apps.core.models import Contact, Notification, WordingVersion
from apps.core.models.wording import WordingState
from apps.core.states import Channel

from . import direct

#: Samples that one person may send to themselves in an hour.
MOST_IN_AN_HOUR = 20
MARK = "Sample: "


class NotPossible(Exception):
    """The sample cannot be sent; the text says why."""


def is_possible(kind: kinds.NotificationKind) -> bool:
    """Return whether the kind has a sample to send: no code or link of its own, and no digest."""
    return kind.name in kinds.REGISTRY and not kind.secrets


@transaction.atomic
def send(words: Wording, channel: Channel, *, to: User) -> None:
    """Send the sample in these words to the person's verified address; raise NotPossible."""
    kind = kinds.worded()[words.kind]
    # Locked, so that clicks at the same time are counted one after the other.
    contact = Contact.objects.select_for_update().filter(user=to).first()
    if contact is None or not contact.is_verified(channel):
        raise NotPossible("Confirm your own address or number first; samples go nowhere else.")
    if not is_possible(kind) or channel in kind.forbidden:
        raise NotPossible("No sample of this message can be sent.")
    if _sent_lately(to) >= MOST_IN_AN_HOUR:
        raise NotPossible(f"You sent yourself {MOST_IN_AN_HOUR} samples in an hour. Wait a little.")
    try:
        direct.send(
            kind,
            to,
            kind.sample.model_dump(mode="json"),
            channel=channel,
            to=contact.address(channel),
            action_url=resolve_url(settings.INBOX_URL),
            words=_marked(words),
        )
    except TemplateProblem as problem:
        # As if the mark makes a subject too long.
        raise NotPossible(f"The sample cannot be made: {problem}") from problem


def _marked(words: Wording) -> Wording:
    """Return the words with the mark in subject and title, kept so that the worker finds them."""
    marks = {part: MARK + words.parts[part] for part in (Part.SUBJECT, Part.TITLE)}
    marked = Wording.of(words.kind, words.language, 0, {**words.parts, **marks})
    same = WordingVersion.objects.filter(state=WordingState.SAMPLE, digest=marked.digest)
    # The clean-up counts from the last use. Two people may store the same words at the same
    # moment; either row says the same.
    if not same.update(made_at=Now()):
        WordingVersion.objects.create(
            kind=marked.kind,
            language=marked.language,
            number=0,
            state=WordingState.SAMPLE,
            parts=dict(marked.parts),
            digest=marked.digest,
        )
    return marked


def _sent_lately(user: User) -> int:
    samples = WordingVersion.objects.filter(state=WordingState.SAMPLE)
    return Notification.objects.filter(
        recipient=user,
        created_at__gt=timezone.now() - timedelta(hours=1),
        wording__in=samples.values("digest"),
    ).count()
