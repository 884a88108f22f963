"""How a process ends whose variables do not let it start."""

import sys
from typing import NoReturn

#: By which gunicorn knows that no process of its will ever start, and ends too; by another it
#: would start the next one for ever (`gunicorn.arbiter.Arbiter.WORKER_BOOT_ERROR`).
CANNOT_START = 3


def refuse(why: str) -> NoReturn:
    """End this process, having said why in a sentence."""
    print(why, file=sys.stderr, flush=True)
    sys.exit(CANNOT_START)
