"""A started Django that runs code on a stack's database and Redis, each time in a fresh process."""

import json
import subprocess
import sys
from collections.abc import Mapping

from tools.processes import die_with_parent
from tools.supervisor import ROOT

# Forked before anything was asked, a process knows nothing of what an earlier one did.
LOOP = """
import json, os, sys, traceback
for line in sys.stdin:
    child = os.fork()
    if not child:
        status = 1
        try:
            exec(json.loads(line), {"__name__": "__main__"})
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        finally:
            sys.stdout.flush()
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    print(f"\\0{status}", flush=True)
"""


class Shell:
    """Runs code as `manage.py shell` does, but starts Django once and not for each piece."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "--command", LOOP],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )

    def __call__(self, code: str) -> str:
        """Run the code and return what it printed. Raise RuntimeError with that if it fails."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(code), file=self._process.stdin, flush=True)
        printed = ""
        for line in self._process.stdout:
            before, end, status = line.partition("\0")
            printed += before
            if end:
                if int(status):
                    raise RuntimeError(printed)
                return printed
        raise RuntimeError(f"the shell ended:\n{printed}")

    def close(self) -> None:
        """Let it end, which it does when there is nothing more to read."""
        self._process.communicate()
