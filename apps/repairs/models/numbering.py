"""The numbers that people say on the phone.

They come from the primary key: unique without a counter to race for, and a gap does no harm.
"""

OFFSET = 1000


def number(prefix: str, pk: int) -> str:
    return f"{prefix}-{OFFSET + pk}"


def primary_key(number: str) -> int | None:
    """The key behind a number as people type it ("R-1042", "r1042", "1042"), if it is one."""
    digits = number.strip().lstrip("RrBb").lstrip("-")
    # No table has more rows than 18 digits count.
    known = digits.isascii() and digits.isdigit() and len(digits) <= 18
    return int(digits) - OFFSET if known else None
