#!/usr/bin/env python
"""Django's command line, on the settings that the environment picks."""

import os
import select
import sys

from rs_systems import environment


def _is_reader_gone() -> bool:
    """Return whether the program that read the output has ended, as `head` does early."""
    output = select.poll()
    # poll() reports an error without being asked for it.
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
        if not _is_reader_gone():
            raise
        # Discard the rest of the output, or Python reports the broken pipe again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # What the shell has of a program that SIGPIPE has ended.
        sys.exit(128 + 13)
