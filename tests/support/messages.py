"""Notifications that are not stored, in the words of the files."""

from typing import Any

from django.contrib.auth.models import User

from apps.core.message import kinds, rendering, wording
from apps.core.models import Notification


def sample(name: str, language: str = "en", **fields: Any) -> Notification:
    """Return a notification of this kind with its sample's context, unless `fields` say more."""
    kind = kinds.get(name)
    return Notification(
        **{
            "recipient": User(pk=7, username="pat", first_name="Pat", last_name="Doyle"),
            "kind": name,
            "category": kind.category.name,
            "priority": kind.priority,
            "context": kind.sample.model_dump(mode="json"),
            "action_url": "/repairs/1042/",
            "wording": wording.of_file(name, language).digest,
            **fields,
        }
    )


def in_app(row: Notification) -> rendering.InAppContent:
    """Return what the bell shows of it."""
    kind = kinds.get(row.kind)
    words = wording.find(row.wording)
    assert words
    return rendering.in_app(kind, kind.validate(row.context), row.action_url, words)
