"""`python -m chaos.scenario NAME [NAME…]`: scenarios in this process, on one rig of their own.

Each prints a line of JSON when it is over. Those that are named together share the rig, and must
agree on its settings.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator

import django
from django.core.management import call_command

from chaos.rig import Rig, running_rig
from chaos.scenarios import QUICK_SETTINGS, SCENARIOS, Scenario
from chaos.verdict import Result

#: At least as many as a scenario has messages.
PEOPLE = 1000


def main() -> int:
    """The exit status is 0 where every promise was kept."""
    # What was started ends with this process, however it is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    arguments = _arguments()
    scenarios = [SCENARIOS[name] for name in arguments.names]
    first = scenarios[0]
    with running_rig(
        seed=arguments.seed,
        events=first.events or arguments.quick,
        settings={**first.settings, **(QUICK_SETTINGS if arguments.quick else {})},
        worker_app=first.worker_app,
        beat_app="chaos.clock" if arguments.quick else "rs_systems",
        keep=arguments.keep,
    ) as rig:
        _set_up(rig)
        kept = [_is_kept(result) for result in _results(rig, scenarios, arguments)]
    return 0 if all(kept) else 1


def _set_up(rig: Rig) -> None:
    os.environ.clear()
    os.environ.update(rig.environment)
    django.setup()
    call_command("migrate", verbosity=0)
    rig.start()


def _results(
    rig: Rig, scenarios: list[Scenario], arguments: argparse.Namespace
) -> Iterator[Result]:
    # Only now are there settings, which what these import needs.
    from chaos.producer import make_people
    from chaos.run import Run

    people = make_people(PEOPLE)
    for scenario in scenarios:
        yield Run(rig, scenario, people, arguments.seed, quick=arguments.quick)()


def _is_kept(result: Result) -> bool:
    print(json.dumps(result.as_dict()), flush=True)
    return not result.problems


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.scenario", description=__doc__)
    parser.add_argument("names", nargs="+", choices=SCENARIOS, metavar="NAME")
    parser.add_argument("--seed", type=int, default=1, help="drives every random choice")
    parser.add_argument("--quick", action="store_true", help="few messages and short faults")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
