"""End a process that cannot start."""

import sys
from typing import NoReturn

#: gunicorn ends when a worker exits with this status. With any other it would start workers forever
#: (`gunicorn.arbiter.Arbiter.WORKER_BOOT_ERROR`).
CANNOT_START = 3


def refuse(why: str) -> NoReturn:
    """Print the reason and end this process."""
    print(why, file=sys.stderr, flush=True)
    sys.exit(CANNOT_START)
