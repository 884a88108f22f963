"""How far a log was read, and what was counted."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.core.feedback import sms_receipts, suppression_sync
from apps.core.models import Mark
from apps.core.providers import delivery_logs, suppression_lists

pytestmark = pytest.mark.django_db
GROUP = "sns/1/DirectPublishToPhoneNumber"
NOW = timezone.now()


def test_a_mark_is_never_moved_back_by_a_slower_reader() -> None:
    for at in (NOW, NOW - timedelta(hours=1)):
        Mark.objects.advance("read", at)
    assert Mark.objects.get().at == NOW


def of_receipts(settings: Any) -> None:
    settings.SMS_DELIVERY_LOG_GROUP = GROUP
    sms_receipts.read()


WORK = {
    GROUP: of_receipts,
    suppression_sync._sns_list(): lambda _: suppression_sync.read_opted_out(),
}


@pytest.mark.parametrize("name", WORK)
def test_a_reader_that_comes_late_leaves_the_mark(
    name: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_logs, "read", lambda *_: iter([]))
    monkeypatch.setattr(suppression_lists, "opted_out", lambda *_: iter([]))
    at = NOW + timedelta(days=9)
    Mark.objects.create(name=name, at=at)
    WORK[name](settings)
    assert Mark.objects.get(name=name).at == at
