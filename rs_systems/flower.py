"""Refuse to start Flower without a sign-in: it can end workers and shows tasks' arguments."""

import os
import re
import sys

from .refusal import refuse

#: Flower reads this variable by itself; several users are separated by commas.
VARIABLE = "FLOWER_BASIC_AUTH"
_PAIRS = re.compile(r"[^:,\s]+:[^,\s]+(,[^:,\s]+:[^,\s]+)*")


def check_sign_in() -> None:
    """End the process if it is to become a Flower that everyone may use. Development may have one.

    A wrong value is refused everywhere: Flower itself takes `user` for a name without a password.
    """
    if "flower" not in sys.argv[1:]:
        return
    given = os.environ.get(VARIABLE, "")
    if given and not _PAIRS.fullmatch(given):
        refuse(f"{VARIABLE} has a wrong value. Write user:password, several separated by commas.")
    if os.environ["ENVIRONMENT"] == "development":
        return
    if not given:
        refuse(f"Set {VARIABLE} to user:password in the environment or in the secret.")
    if os.environ.get("FLOWER_UNAUTHENTICATED_API"):
        refuse("Unset FLOWER_UNAUTHENTICATED_API: everyone could end the workers.")
