import zoneinfo
from datetime import UTC, datetime

import pytest

from apps.core.models import Notification
from apps.core.states import Priority


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo"])
def test_pages_use_the_readers_time_zone(client, person, zone):
    reader = person(time_zone=zone)
    at = datetime(2019, 5, 6, 12, tzinfo=UTC)
    Notification.objects.create(
        recipient=reader, kind="x", priority=Priority.LOW, context={}, visible_from=at
    )
    client.force_login(reader)
    local = at.astimezone(zoneinfo.ZoneInfo(zone))
    assert local.isoformat(timespec="seconds") in client.get("/notifications/").content.decode()


@pytest.mark.parametrize("contact", [{"contact": False}, {"time_zone": "Mars/Olympus"}])
def test_a_reader_without_a_known_zone_gets_the_sites_zone(client, person, contact):
    client.force_login(person(**contact))
    assert client.get("/notifications/").status_code == 200
