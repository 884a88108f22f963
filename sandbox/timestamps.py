"""Times in the two forms that AWS writes them."""

from datetime import datetime


def iso(moment: datetime) -> str:
    """Return a UTC time as ISO 8601 with milliseconds and a Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
