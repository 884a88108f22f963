"""The message that every contestant sends, and the people that it goes to."""

from pathlib import Path

KIND = "measured"
#: What the other contestants read. This project has the same words in `ours/messages/`.
TEMPLATES = Path(__file__).parent / "ours" / "templates"
FOLDER = f"notifications/{KIND}"

#: How many people the first of two calls for many people notifies.
WARM_UP = 30

CONTEXT = {
    "number": "R-1042",
    "company": "Redwood Freight",
    "unit": "417",
    "vehicle": "2021 Freightliner Cascadia",
    "damage": "Star break",
    "position": "Driver's side",
    "estimate": "$412.50",
    "approved_by": "Maria Ortiz",
    "note": "Park it at the north gate, the keys are with the dispatcher.",
}
ACTION_PATH = "/repairs/1042/"
SITE = "https://app.example.com"


def username(number: int) -> str:
    return f"person{number:06d}"


def address(number: int) -> str:
    return f"{username(number)}@bulk.example"


def phone(number: int) -> str:
    """Return a number of the range that is kept for fiction; there are 10,000 in each area."""
    return f"+1{202 + number // 10_000}555{number % 10_000:04d}"


def values(number: int) -> dict[str, str]:
    """Return what the templates use, for the contestants that do not make it themselves."""
    return CONTEXT | {"recipient_name": username(number), "action_url": SITE + ACTION_PATH}
