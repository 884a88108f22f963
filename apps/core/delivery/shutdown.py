"""Whether this worker is to stop. Its processes then give back what they have not sent.

Celery tells only a worker's main process. Memory that its forked processes share tells them.
"""

import mmap

_flag = mmap.mmap(-1, 1)


def request() -> None:
    _flag[0] = 1


def is_requested() -> bool:
    return _flag[0] == 1
