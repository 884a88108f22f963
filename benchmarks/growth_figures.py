"""Fill the database to each size and time what looks at messages; print the times as JSON.

benchmarks/growth.py starts this in a process of its own, with its own PostgreSQL and Redis.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command
from django.db import connection, transaction

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.db.models import F, QuerySet  # noqa: E402
from django.db.models.functions import Now  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps.core import redis_client, scrape, tasks  # noqa: E402
from apps.core.audit import metrics, observations, rollups  # noqa: E402
from apps.core.audit.ledger import ledger  # noqa: E402
from apps.core.costs import tally  # noqa: E402
from apps.core.delivery import cleanup  # noqa: E402
from apps.core.guards import reputation  # noqa: E402
from apps.core.message import kinds  # noqa: E402
from apps.core.models import Contact, Delivery, Mark, NotificationDeliveryLog  # noqa: E402
from apps.core.models.delivery_log import allow_deletion  # noqa: E402
from apps.core.services.notification import NotificationService  # noqa: E402
from apps.core.states import Channel, DeliveryState  # noqa: E402

PEOPLE = 1000
#: One notification in so many seconds; four of five have an e-mail alone, the fifth a text too.
EVERY_S = 12
PER_NOTIFICATION = 1.25
#: Days of which the log and the providers' events are kept, and one chunk of the clean-up more.
LOGGED_DAYS = 95
#: Notifications of one INSERT.
STEP = 250_000
#: The person whose pages are looked at has at least so many messages, so each page is full.
VIEWERS = 150
#: Deliveries that wait, at every size.
BACKLOG = 200
REPEATS, WARM_UP = 25, 3
#: Seconds after which a figure that is slow is not timed again.
LONGEST_S = 10.0
#: The ledger looks at so much time before the newest message.
SINCE = timedelta(hours=1)

_NOTIFICATIONS = """
INSERT INTO core_notification (id, recipient_id, kind, category, priority, context, title, text,
    action_url, about_id, dedup_key, created_at, visible_from, read_at)
SELECT md5('n' || n)::uuid,
    CASE WHEN n %% %(viewers)s = 0 THEN %(viewer)s ELSE %(first_person)s + n %% %(people)s END,
    (%(kinds)s::text[])[1 + n %% %(kind_count)s], 'repairs', CASE WHEN n %% 4 = 0 THEN 0 ELSE 6 END,
    %(context)s, 'Repair R-' || n || ' approved', 'Your repair R-' || n || ' has been approved.',
    '/repairs/' || n || '/', '', 'growth:' || n, at, at,
    CASE WHEN n %% 5 = 0 THEN at + interval '1 hour' END
FROM (
    SELECT n, %(now)s::timestamptz - make_interval(secs => n * %(every_s)s) AS at
    FROM generate_series(%(start)s, %(end)s - 1) AS n
) AS history
"""

_DELIVERIES = """
INSERT INTO core_delivery (id, notification_id, channel, priority, state, reason, attempts,
    failures, due_at, next_attempt_at, lease_until, cost_usd, cost_month, provider,
    provider_message_id, created_at, finished_at)
SELECT md5(channel || n)::uuid, md5('n' || n)::uuid, channel, priority, state,
    CASE state WHEN 'skipped' THEN 'wants no e-mail' ELSE '' END,
    CASE state WHEN 'skipped' THEN 0 ELSE 1 END, 0, at, NULL, NULL,
    CASE WHEN channel = 'sms' AND state <> 'skipped' THEN 0.00645 END,
    CASE WHEN channel = 'sms' AND state <> 'skipped'
         THEN date_trunc('month', at AT TIME ZONE 'UTC')::date END,
    CASE state WHEN 'skipped' THEN '' ELSE provider END,
    CASE state WHEN 'skipped' THEN '' ELSE provider || '-' || md5('m' || channel || n) END,
    at, at + interval '2 seconds'
FROM (
    SELECT n, channel, provider, CASE WHEN n %% 4 = 0 THEN 0 ELSE 6 END AS priority,
        %(now)s::timestamptz - make_interval(secs => n * %(every_s)s) AS at,
        CASE WHEN n %% 200 = 1 THEN 'rejected' WHEN n %% 100 = 2 THEN 'bounced'
             WHEN n %% 50 = 3 THEN 'skipped' WHEN n %% 20 = 5 THEN 'accepted'
             ELSE 'delivered' END AS state
    FROM generate_series(%(start)s, %(end)s - 1) AS n
    JOIN (VALUES ('email', 'ses', 1), ('sms', 'sns', 4)) AS way (channel, provider, every)
        ON n %% every = 0
) AS history
"""

#: Of each delivery: the call, the answer, and the event, as far as its state has them.
_LOG = """
INSERT INTO core_notificationdeliverylog (delivery_id, at, attempt, event, source, provider,
    provider_message_id, code, detail)
SELECT id, created_at + make_interval(secs => step), attempts, event,
    CASE WHEN step = 2 THEN 'event' ELSE 'worker' END, provider,
    CASE WHEN step = 0 THEN '' ELSE provider_message_id END, '', ''
FROM core_delivery, LATERAL (
    SELECT 0 AS step, 'skipped' AS event WHERE state = 'skipped'
    UNION ALL SELECT 0, 'calling' WHERE state <> 'skipped'
    UNION ALL SELECT 1, 'permanent' WHERE state = 'rejected'
    UNION ALL SELECT 1, 'accepted' WHERE state IN ('accepted', 'delivered', 'bounced')
    UNION ALL SELECT 2, state WHERE state IN ('delivered', 'bounced')
) AS entry
WHERE created_at > %(newer)s AND created_at <= %(older)s AND finished_at IS NOT NULL
"""

_EVENTS = """
INSERT INTO core_providerevent (fingerprint, envelope_id, kind, cause, provider,
    provider_message_id, delivery_ref, attempt, recipient, code, detail, occurred_at, received_at,
    via, delivery_id)
SELECT md5(said || id) || md5(id::text), md5('v' || said || id), said,
    CASE said WHEN 'bounced' THEN 'address' ELSE '' END, provider, provider_message_id, id, 1,
    address, '', '', finished_at, finished_at + interval '1 second', 'queue', id
FROM (
    SELECT d.*, c.email AS address
    FROM core_delivery d
    JOIN core_notification n ON n.id = d.notification_id
    JOIN core_contact c ON c.user_id = n.recipient_id
    WHERE d.created_at > %(newer)s AND d.created_at <= %(older)s AND d.channel = 'email'
        AND d.state IN ('accepted', 'delivered', 'bounced') AND d.finished_at IS NOT NULL
) AS sent, LATERAL (
    SELECT 'sent' AS said UNION ALL SELECT state WHERE state <> 'accepted'
) AS event
"""

_SPEND = """
INSERT INTO core_smsspend (month, committed_usd)
SELECT cost_month, sum(cost_usd) FROM core_delivery WHERE cost_month IS NOT NULL GROUP BY 1
ON CONFLICT (month) DO UPDATE SET committed_usd = excluded.committed_usd
"""


class History:
    """The rows so far. Notification number 0 is the newest; what is added is older."""

    def __init__(self) -> None:
        self.now = timezone.now() - timedelta(minutes=5)
        self.length = 0
        people = User.objects.bulk_create(
            [
                User(username=f"person{n}", first_name="Robin", last_name=f"Reader{n}")
                for n in range(PEOPLE)
            ]
        )
        self.first_person = people[0]
        self.viewer = User.objects.create_user("jordan", first_name="Jordan", last_name="Quill")
        self.staff = User.objects.create_superuser("sam")
        everybody = [*people, self.viewer]
        Contact.objects.bulk_create(
            Contact(
                user=user,
                email=f"{user.username}@fleet.example",
                verified_email=f"{user.username}@fleet.example",
                phone=f"+1202555{n:04d}",
                verified_phone=f"+1202555{n:04d}",
                sms_opt_in=True,
            )
            for n, user in enumerate(everybody)
        )

    def moment(self, number: int) -> datetime:
        """Return when the notification of this number was made."""
        return self.now - timedelta(seconds=number * EVERY_S)

    def grow(self, deliveries: int) -> None:
        """Add what is older, until there are so many deliveries; then analyze."""
        length = int(deliveries / PER_NOTIFICATION)
        # Each person has the same share, and the viewer enough to fill a page.
        viewers = min(PEOPLE, max(1, length // VIEWERS))
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
            for start in range(self.length, length, STEP):
                self._insert(cursor, start, min(start + STEP, length), viewers)
                print(f"{start:,} of {length:,} notifications", file=sys.stderr, flush=True)
            cursor.execute(_SPEND)
            if not self.length:
                self._open_backlog()
            cursor.execute("VACUUM (ANALYZE)")
        self._count()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")
        self.length = length

    def _count(self) -> None:
        """Count the figures of the last days anew, as if this version had just been installed."""
        Mark.objects.filter(name=rollups.COUNTED).delete()
        started = timezone.now()
        while (rollups.counted_until() or self.now) < started - timedelta(minutes=6):
            rollups.keep(started)
        for read in (observations.read_reputation, observations.read_reasons):
            read()

    def _insert(self, cursor: Any, start: int, end: int, viewers: int) -> None:
        kind = kinds.get("repair_approved")
        values = {
            "now": self.now,
            "every_s": EVERY_S,
            "start": start,
            "end": end,
            "viewers": viewers,
            "viewer": self.viewer.pk,
            "people": PEOPLE,
            "first_person": self.first_person.pk,
            "kinds": list(kinds.REGISTRY),
            "kind_count": len(kinds.REGISTRY),
            "context": kind.sample.model_dump_json(),
        }
        cursor.execute(_NOTIFICATIONS, values)
        cursor.execute(_DELIVERIES, values)
        oldest_logged = self.now - timedelta(days=LOGGED_DAYS)
        span = {"newer": max(self.moment(end), oldest_logged), "older": self.moment(start)}
        cursor.execute(_LOG, span)
        cursor.execute(_EVENTS, span)

    def _open_backlog(self) -> None:
        """Let the same few deliveries wait at every size: due, held by a worker, unknown."""
        finished = Delivery.objects.filter(state=DeliveryState.SKIPPED, channel=Channel.EMAIL)
        chosen = list(finished.order_by("-created_at").values_list("pk", flat=True)[:BACKLOG])
        with transaction.atomic():
            allow_deletion()
            NotificationDeliveryLog.objects.filter(delivery__in=chosen).delete()
        waiting = {"finished_at": None, "reason": "", "attempts": 0}
        rows = Delivery.objects.filter(pk__in=chosen)
        rows.update(state=DeliveryState.DUE, next_attempt_at=F("created_at"), **waiting)


def claim() -> None:
    """Find the most urgent due e-mail among many and claim it; then give it back."""
    due: QuerySet[Delivery] = Delivery.objects.filter(
        channel=Channel.EMAIL, state=DeliveryState.DUE, next_attempt_at__lte=Now()
    )
    with transaction.atomic():
        rows = due.order_by("priority", "next_attempt_at").select_for_update(skip_locked=True)
        [first] = rows[:1]
        moved = Delivery.objects.filter(pk=first.pk).move(
            DeliveryState.SENDING, attempts=F("attempts") + 1, next_attempt_at=None
        )
        assert moved == 1
        transaction.set_rollback(True)


def _figures(history: History) -> dict[str, Callable[[], object]]:
    """Return what is timed, by the name of its figure."""
    viewer, staff = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
    viewer.force_login(history.viewer)
    staff.force_login(history.staff)
    context = kinds.get("repair_approved").sample.model_dump()
    taken = Delivery.objects.filter(state=DeliveryState.DELIVERED).order_by("created_at")
    old = taken.filter(created_at__gt=history.moment(history.length - 1000)).first()
    assert old is not None

    def get(client: Client, url: str, rows: int = 0) -> Callable[[], None]:
        def ask() -> None:
            answer = client.get(url)
            assert answer.status_code == 200, f"{url} answered {answer.status_code}"
            if rows:
                found = answer.content.count(b'class="field-created_at')
                assert found == rows, f"{url} has {found} rows"

        return ask

    def create() -> None:
        NotificationService().notify("repair_approved", history.first_person, context)

    def check_since() -> None:
        found = ledger(history.now - SINCE)
        assert found.deliveries > SINCE.total_seconds() / EVERY_S
        assert found.balances, found.discrepancies[:3]

    deliveries, notifications = "/admin/core/delivery/", "/admin/core/notification/"
    return {
        "create": create,
        "claim": claim,
        "sweep": tasks.dispatch_due_notifications,
        "retry": tasks.retry_failed_notifications,
        "bell": get(viewer, "/notifications/bell/"),
        "centre": get(viewer, "/notifications/"),
        "admin_deliveries": get(staff, deliveries, rows=100),
        "admin_deliveries_bounced": get(staff, f"{deliveries}?state__exact=bounced"),
        "admin_deliveries_unknown": get(staff, f"{deliveries}?state__exact=unknown"),
        "admin_notifications": get(staff, notifications, rows=100),
        "admin_notifications_kind": get(staff, f"{notifications}?kind=repair_denied", rows=100),
        "search_deliveries_person": get(staff, f"{deliveries}?q=jordan+quill", rows=100),
        "search_deliveries_address": get(staff, f"{deliveries}?q=jordan@fleet.example", rows=100),
        "search_deliveries_id": get(staff, f"{deliveries}?q={old.pk}", rows=1),
        "search_deliveries_message": get(
            staff, f"{deliveries}?q={old.provider_message_id}", rows=1
        ),
        "search_deliveries_nothing": get(staff, f"{deliveries}?q=nobody"),
        "search_notifications_person": get(staff, f"{notifications}?q=jordan+quill", rows=100),
        "cockpit": get(staff, "/office/"),
        "figures": rollups.keep,
        "reasons": observations.read_reasons,
        "ledger_since": check_since,
        "metrics": lambda: [metrics._due(), metrics._attempts()],
        "reputation": reputation.measure,
        "costs_page": get(staff, "/office/costs/"),
        "costs_tally": _tally_an_hour(history),
        "metrics_page": scrape.exposition,
        "cleanup_notifications": _clean_up(
            cleanup.delete_notifications(history.moment(history.length - 40_000 // EVERY_S))
        ),
        "cleanup_logs": _clean_up(cleanup.delete_logs(_logs_end(history))),
    }


def _tally_an_hour(history: History) -> Callable[[], object]:
    """Return what counts the last hour's messages, when all before it are counted."""
    tally.count()

    def count() -> None:
        Mark.objects.filter(name=tally.COUNTED).update(at=history.now - timedelta(hours=1))
        tally.count()

    return count


def _clean_up(chunks: Iterator[int]) -> Callable[[], object]:
    return lambda: next(chunks)


def _logs_end(history: History) -> datetime:
    """Return until when logs may be deleted, with the mark of an earlier run a day before it."""
    oldest = max(history.moment(history.length), history.now - timedelta(days=LOGGED_DAYS))
    Mark.objects.update_or_create(name=cleanup.LOGS_DELETED, defaults={"at": oldest})
    return oldest + timedelta(hours=20)


def _median_ms(what: Callable[[], object], repeats: int) -> float:
    def once() -> float:
        started = _used_s()
        what()
        return (_used_s() - started) * 1000

    for _ in range(WARM_UP if repeats == REPEATS else 1):
        once()
    ends = time.monotonic() + LONGEST_S
    times = [once()]
    while len(times) < repeats and time.monotonic() < ends:
        times.append(once())
    return round(statistics.median(times), 3)


def _used_s() -> float:
    """Return the processor time that this process and its server process have used, in seconds.

    The time on the clock would depend on what else the machine does.
    """
    connection.ensure_connection()
    server = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return time.process_time() + int(server.read_text().split()[0]) / 1e9


def main(sizes: list[int]) -> None:
    # Django would keep the text of each statement.
    settings.DEBUG = False
    call_command("migrate", verbosity=0)
    history = History()
    times: dict[int, dict[str, float]] = {}
    for size in sorted(sizes):
        history.grow(size)
        redis_client.shared().flushall()
        figures = _figures(history)
        times[size] = {
            name: _median_ms(what, 4 if name.startswith("cleanup") else REPEATS)
            for name, what in figures.items()
        }
        print(size, json.dumps(times[size]), file=sys.stderr, flush=True)
    print(json.dumps(times))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]])
