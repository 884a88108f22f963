"""`python -m chaos.runner NAME [NAME…]`: run scenarios in this process, on one rig.

Prints one line of JSON for each. Scenarios that share a rig must agree on its settings.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace

import django
from django.core.management import call_command

from chaos.rig import Rig, running_rig
from chaos.scenario import Scenario
from chaos.scenarios import QUICK_SETTINGS, SCENARIOS
from chaos.verdict import Result

#: At least as many as a scenario has messages.
PEOPLE = 1000


def main() -> int:
    """Return 0 if every promise was kept, else 1."""
    # The services end with this process, also on SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    arguments = _arguments()
    scenarios = [SCENARIOS[name] for name in arguments.names]
    plan = scenarios[0].rig
    if arguments.quick:
        settings = {**plan.settings, **QUICK_SETTINGS}
        plan = replace(plan, events=True, settings=settings, beat_app="chaos.fast_beat")
    with running_rig(plan, seed=arguments.seed, keep=arguments.keep) as rig:
        _set_up(rig)
        all_kept = True
        for result in _results(rig, scenarios, arguments):
            print(json.dumps(result.as_dict()), flush=True)
            all_kept &= not result.problems
    return 0 if all_kept else 1


def _set_up(rig: Rig) -> None:
    os.environ.clear()
    os.environ.update(rig.environment)
    django.setup()
    call_command("migrate", verbosity=0)
    rig.start()


def _results(
    rig: Rig, scenarios: list[Scenario], arguments: argparse.Namespace
) -> Iterator[Result]:
    # These imports need the settings, which exist only now.
    from chaos.producer import make_people
    from chaos.run import Run

    people = make_people(PEOPLE)
    for scenario in scenarios:
        yield Run(rig, scenario, people, arguments.seed, quick=arguments.quick)()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.runner", description=__doc__)
    parser.add_argument("names", nargs="+", choices=SCENARIOS, metavar="NAME")
    parser.add_argument("--seed", type=int, default=1, help="drives every random choice")
    parser.add_argument("--quick", action="store_true", help="few messages and short faults")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
