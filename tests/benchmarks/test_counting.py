"""What the measurements count outside of the processes that cause it."""

import os
from urllib.parse import urlsplit

import redis

from benchmarks.rig import STATEMENT
from benchmarks.trips import counted_trips

LOG = """\
2026-11-28 10:00:00 UTC [7] LOG:  statement: BEGIN
2026-11-28 10:00:00 UTC [7] LOG:  statement: INSERT INTO "core_notification" ("id",
	"recipient_id") VALUES (1, 2)
2026-11-28 10:00:00 UTC [7] LOG:  execute _pg3_0: UPDATE "core_delivery" SET "state" = $1
2026-11-28 10:00:00 UTC [7] DETAIL:  Parameters: $1 = 'sending'
2026-11-28 10:00:00 UTC [7] LOG:  statement: SET TIME ZONE 'UTC'
2026-11-28 10:00:00 UTC [7] LOG:  statement: SELECT set_config('TimeZone', 'UTC', false)
2026-11-28 10:00:00 UTC [7] LOG:  statement: COMMIT
2026-11-28 10:00:00 UTC [7] LOG:  checkpoint starting: time
"""


def test_statements_of_transactions_and_connections_are_not_counted() -> None:
    assert len(STATEMENT.findall(LOG)) == 2


def test_a_pipeline_and_a_script_are_one_trip_each() -> None:
    port = urlsplit(os.environ["CELERY_BROKER_URL"]).port
    assert port
    with counted_trips(port) as counter, redis.Redis.from_url(counter.url) as client:
        client.ping()
        counter.trips = 0
        client.ping()
        assert counter.trips == 1
        with client.pipeline() as pipeline:
            pipeline.set("counted", 1).get("counted").delete("counted").execute()
        assert counter.trips == 2
        client.eval("redis.call('SET', KEYS[1], 1) return redis.call('DEL', KEYS[1])", 1, "counted")
        assert counter.trips == 3


def test_trips_of_several_connections_are_counted_apart() -> None:
    port = urlsplit(os.environ["CELERY_BROKER_URL"]).port
    assert port
    with counted_trips(port) as counter:
        clients = [redis.Redis.from_url(counter.url) for _ in range(2)]
        for client in clients:
            client.ping()
        counter.trips = 0
        for client in clients * 3:
            client.ping()
        assert counter.trips == 6
        for client in clients:
            client.close()
