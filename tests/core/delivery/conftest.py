"""People with settings, and messages that wait because of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from apps.core.message import kinds
from apps.core.models import Choice, Delivery
from apps.core.models.preferences import ChoiceVia, Setting
from apps.core.states import Channel, DeliveryState


@pytest.fixture
def daily(person: Callable[..., User]) -> Callable[..., User]:
    """Makes people who want e-mails once a day."""

    def make(**contact: Any) -> User:
        user = person(**contact)
        Choice.objects.create(
            user=user,
            category="",
            channel=Channel.EMAIL,
            setting=Setting.DAILY,
            via=ChoiceVia.PAGE,
            by=user,
        )
        return user

    return make


@pytest.fixture
def time_is_over() -> Callable[[], None]:
    """Lets the time of all that is held be over."""

    def pass_time() -> None:
        Delivery.objects.filter(state=DeliveryState.HELD).update(
            release_at=timezone.now() - timedelta(minutes=1)
        )

    return pass_time


@pytest.fixture
def change_kind(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes what a registered kind declares."""

    def change(name: str, **values: Any) -> None:
        monkeypatch.setitem(kinds.REGISTRY, name, replace(kinds.get(name), **values))

    return change
