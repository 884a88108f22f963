"""Every scenario: its fault, its load and its promise.

This module does not need Django, because the settings depend on the scenario.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chaos import alarms, digests, faults, poison_events, stale
from chaos.alarms import Alarms
from chaos.rig import RigPlan
from chaos.scenario import EMAIL_ONLY, Scenario
from chaos.verdict import Promise

if TYPE_CHECKING:
    from chaos.run import Run

WITH_EVENTS = RigPlan(events=True)
#: Alarms are judged every two seconds.
WATCHED = RigPlan(beat_app="chaos.watching_beat")

#: Settings of the rig that `make chaos-quick` uses for all of its scenarios.
QUICK_SETTINGS = {"UNKNOWN_DEADLINE_S": "8"}


def check_final_states(run: Run) -> None:
    from apps.core.audit import observations
    from chaos import final_states  # needs the settings

    run.note(*final_states.check_final_states(run.rig.sandbox, run.planned))
    # As beat has it done every five minutes.
    observations.read_reputation()


def check_sms_spend(run: Run) -> None:
    from chaos import sms_spend  # needs the settings

    run.note(*sms_spend.check_spend(run.rig.sandbox))
    run.note(*sms_spend.race_reservations())


def end_worker_with_batch(run: Run) -> None:
    from chaos import batch  # needs the settings

    batch.end_worker(run)


def share_between_hosts(run: Run) -> None:
    from chaos import hosts  # needs the settings

    hosts.share(run)


def check_pauses(run: Run) -> None:
    from chaos import limits  # needs the settings

    run.note(*limits.check_pauses(run.rig.sandbox.messages(kind="email"), broken=4))


def check_pace(run: Run) -> None:
    from chaos import hosts  # needs the settings

    hosts.check_pace(run)


KILLED_AT_POINTS = Scenario(
    "killed-at-points",
    faults.kill_at_points,
    messages=600,
    over_s=60,
    priorities=EMAIL_ONLY,
    rig=RigPlan(
        events=True,
        # Slow enough that messages are under way for as long as workers are killed.
        settings={"EMAIL_RATE_LIMIT": "20"},
        worker_app="chaos.worker",
        # A worker that dies keeps its place for 5 s, and then only a sweep wakes another.
        beat_app="chaos.fast_beat",
    ),
    promise=Promise(drained_within_s=120),
)
SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in [
        Scenario(
            "worker-killed",
            faults.kill_a_worker_repeatedly,
            priorities=EMAIL_ONLY,
            rig=WITH_EVENTS,
            promise=Promise(drained_within_s=120),
        ),
        Scenario(
            "all-killed",
            faults.kill_all,
            priorities=EMAIL_ONLY,
            rig=WITH_EVENTS,
            promise=Promise(drained_within_s=120),
        ),
        Scenario("redis-flushed", faults.flush_redis),
        Scenario("redis-killed", faults.take_redis_away, over_s=26),
        Scenario(
            "postgres-restarted",
            faults.crash_postgres,
            priorities=EMAIL_ONLY,
            rig=WITH_EVENTS,
            promise=Promise(drained_within_s=120),
        ),
        Scenario(
            "provider-down",
            faults.refuse_both_channels,
            over_s=26,
            # One message in a hundred fails six times in the outage, and waits up to 160 s then.
            promise=Promise(drained_within_s=180, may_duplicate=True),
        ),
        Scenario(
            "account-paused",
            faults.pause_the_account,
            over_s=26,
            # A stopped channel is probed after 15 s, and 30 s after that, by sweeps 15 s apart.
            promise=Promise(drained_within_s=120),
            rig=WATCHED,
            alarms=Alarms(over=("email-stopped", "sms-stopped"), unmailed=("email-stopped",)),
        ),
        Scenario("transient-errors", faults.refuse_some_for_now),
        Scenario(
            "timeouts-with-events", faults.never_answer_some, priorities=EMAIL_ONLY, rig=WITH_EVENTS
        ),
        Scenario(
            "timeouts-without-events",
            faults.never_answer_some,
            priorities=EMAIL_ONLY,
            promise=Promise(may_duplicate=True),
        ),
        Scenario("enqueued-twice", faults.none, wake_twice=True),
        Scenario("two-beats", faults.start_a_second_beat, later_s=20),
        KILLED_AT_POINTS,
        replace(
            KILLED_AT_POINTS,
            name="killed-at-points-without-events",
            rig=replace(KILLED_AT_POINTS.rig, events=False),
            promise=Promise(drained_within_s=120, may_duplicate=True),
        ),
        Scenario(
            "events-disordered",
            faults.disorder_events,
            # With so many bounces and complaints the application sends only urgent messages.
            priorities=("HIGH",),
            rig=replace(WATCHED, events=True, settings={"SMS_ENABLED": "false"}),
            check=check_final_states,
            alarms=Alarms(ringing=("complaints", "email-held-back"), perhaps=("bounces",)),
        ),
        Scenario(
            "budget-reached",
            faults.none,
            priorities=("HIGH",),
            rig=replace(
                WATCHED, settings={"SMS_MONTHLY_SPEND_LIMIT_USD": "1.50", "SMS_URGENT_RESERVE": "0"}
            ),
            check=check_sms_spend,
            alarms=Alarms(ringing=("sms-budget", "sms-spend")),
        ),
        Scenario("deploy", faults.deploy, over_s=30, rig=WATCHED, alarms=Alarms()),
        Scenario(
            "redis-failover",
            faults.fail_over_redis,
            messages=240,
            over_s=24,
            priorities=EMAIL_ONLY,
            # What is due after the failover needs beat.
            later_s=5,
            rig=RigPlan(redis_replica=True),
            promise=Promise(drained_within_s=30),
            check=faults.check_wake_ups,
        ),
        Scenario(
            "late-call",
            faults.call_late,
            messages=100,
            over_s=5,
            priorities=EMAIL_ONLY,
            rig=RigPlan(
                # The shortest lease that the settings allow, and a policy that decides soon.
                settings={"DELIVERY_LEASE_S": "56", "UNKNOWN_DEADLINE_S": "5"},
                worker_app="chaos.worker",
                beat_app="chaos.fast_beat",
            ),
            # Its other calls may be under way when the process stops.
            promise=Promise(may_duplicate=True),
        ),
        Scenario(
            "poison-event",
            poison_events.publish,
            messages=120,
            over_s=3,
            priorities=EMAIL_ONLY,
            rig=RigPlan(event_source=True),
            check=poison_events.check,
        ),
        Scenario(
            "killed-in-flight",
            faults.kill_with_calls_in_flight,
            over_s=30,
            messages=900,
            priorities=EMAIL_ONLY,
            rig=WITH_EVENTS,
            promise=Promise(drained_within_s=120),
        ),
        Scenario(
            "killed-before-group",
            faults.kill_before_group_commit,
            over_s=30,
            messages=900,
            priorities=EMAIL_ONLY,
            rig=RigPlan(
                events=True,
                # As fast as the machine: only then do several calls end together.
                settings={"EMAIL_RATE_LIMIT": "500"},
                worker_app="chaos.worker",
            ),
            promise=Promise(drained_within_s=120),
        ),
        Scenario(
            "threads-broken",
            faults.break_threads,
            priorities=EMAIL_ONLY,
            # One place: a process whose thread hangs must not keep it from the others.
            rig=RigPlan(
                events=True, settings={"EMAIL_RATE_LIMIT": "40"}, worker_app="chaos.worker"
            ),
            # A lease, two sweeps, and the deadline of an unknown outcome.
            promise=Promise(drained_within_s=120),
            check=check_pauses,
        ),
        Scenario("places-lost", faults.delete_places),
        Scenario(
            "batch-given-back",
            end_worker_with_batch,
            messages=100,
            over_s=4,
            priorities=EMAIL_ONLY,
            rig=RigPlan(settings={"EMAIL_RATE_LIMIT": "10"}, worker_app="chaos.worker"),
        ),
        Scenario(
            "three-hosts",
            share_between_hosts,
            messages=900,
            over_s=8,
            priorities=EMAIL_ONLY,
            rig=RigPlan(
                events=True,
                hosts=("host1", "host2", "host3"),
                # One place for each host.
                settings={"EMAIL_RATE_LIMIT": "120"},
            ),
            promise=Promise(drained_within_s=120),
            check=check_pace,
        ),
        Scenario(
            "digest-twice",
            digests.make_with_two_beats,
            messages=200,
            over_s=8,
            priorities=EMAIL_ONLY,
            rig=RigPlan(events=True, beat_app="chaos.fast_beat"),
            promise=Promise(drained_within_s=120),
            check=digests.check,
        ),
        Scenario(
            "texts-out",
            alarms.refuse_texts,
            messages=150,
            over_s=8,
            rig=WATCHED,
            # As for a paused account.
            promise=Promise(drained_within_s=120),
            alarms=Alarms(over=("sms-stopped",)),
        ),
        Scenario(
            "email-out",
            alarms.refuse_emails,
            messages=150,
            over_s=8,
            rig=replace(WATCHED, settings={"ONCALL_PHONE": alarms.PHONE}),
            promise=Promise(drained_within_s=120),
            alarms=Alarms(over=("email-stopped",), unmailed=("email-stopped",), by_text=True),
        ),
        Scenario(
            "workers-gone",
            alarms.take_workers_away,
            messages=150,
            over_s=8,
            rig=replace(WATCHED, events=True, housekeeper=True),
            promise=Promise(drained_within_s=120, may_duplicate=True),
            alarms=Alarms(over=("urgent-waits", "worker-offline")),
        ),
        Scenario(
            "stale",
            stale.settle_under_load,
            messages=100,
            over_s=5,
            priorities=EMAIL_ONLY,
            check=stale.check,
        ),
    ]
}

#: The scenarios of `make chaos-quick`, which share one rig.
QUICK = (
    "redis-flushed",
    "redis-killed",
    "provider-down",
    "timeouts-with-events",
    "enqueued-twice",
    "two-beats",
    "places-lost",
    "killed-in-flight",
)
