"""`python -m rs_systems.require NAME`: whether a variable has a value, wherever it comes from.

For services that are no code of ours, and must not start without it.
"""

import os
import sys

from . import environment
from .refusal import refuse

if __name__ == "__main__":
    environment.configure()
    for name in sys.argv[1:]:
        if not os.environ.get(name):
            refuse(f"{name} is to be set, in the environment or in the secret.")
