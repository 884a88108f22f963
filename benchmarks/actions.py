"""Run one of a program's functions from the command line, and print its result as JSON."""

import argparse
import inspect
import json
from collections.abc import Callable
from typing import Any


def run(*functions: Callable[..., Any]) -> None:
    """Run the function that the command line names; its parameters' types read the arguments."""
    parser = argparse.ArgumentParser()
    names = parser.add_subparsers(dest="name", required=True)
    for function in functions:
        arguments = names.add_parser(function.__name__, help=function.__doc__)
        for name, parameter in inspect.signature(function).parameters.items():
            arguments.add_argument(name, type=parameter.annotation)
    given = vars(parser.parse_args())
    chosen = given.pop("name")
    [function] = [each for each in functions if each.__name__ == chosen]
    print(json.dumps(function(**given)))
