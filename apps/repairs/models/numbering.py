"""The numbers of repairs and batches, as people say them on the phone.

They are computed from the primary key, which is unique without a counter of our own.
"""

OFFSET = 1000


def number(prefix: str, pk: int) -> str:
    return f"{prefix}-{OFFSET + pk}"


def primary_key(number: str) -> int | None:
    """Return the primary key of a typed number ("R-1042", "r1042", "1042"), or None."""
    digits = number.strip().lstrip("RrBb").lstrip("-")
    # A bigint holds every number of 18 digits, and the database refuses larger ones.
    known = digits.isascii() and digits.isdigit() and len(digits) <= 18
    return int(digits) - OFFSET if known else None
