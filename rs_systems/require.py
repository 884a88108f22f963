"""Exit with 0 if variables have values, from any source: `python -m rs_systems.require NAME …`.

systemd runs it before programs that are not ours, such as Flower.
"""

import os
import sys

from . import environment
from .refusal import refuse

if __name__ == "__main__":
    environment.configure()
    for name in sys.argv[1:]:
        if not os.environ.get(name):
            refuse(f"Set {name} in the environment or in the secret.")
