#!/usr/bin/env python
"""Django's command line, on the settings that the environment picks."""

import os
import select
import sys

from rs_systems import environment


def _nobody_reads() -> bool:
    """Whether whoever was to read the output is gone, as `head` is when it has enough."""
    output = select.poll()
    # Nothing to wait for: an error is told unasked.
    output.register(sys.stdout, 0)
    return bool(output.poll(0))


if __name__ == "__main__":
    # A migration or a report may take minutes.
    os.environ.setdefault("DATABASE_STATEMENT_TIMEOUT_S", "0")
    environment.configure()
    from django.core.management import execute_from_command_line

    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        # What is still to be written has nowhere to go, or Python would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # What the shell has of a program that SIGPIPE has ended.
        sys.exit(128 + 13)
