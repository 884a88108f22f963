"""What a provider said, for a cell of the admin: plain words first, its own beside them."""

from django.utils.html import format_html

from apps.core.audit import answers


def answer(said: str, further: str = "", cause: str | None = None) -> str:
    """Return what an answer means with the words `said`, or these alone if it is not known."""
    meaning = answers.plain(f"{said} {further}".strip(), cause)
    if not meaning or meaning == said:
        return said
    return format_html("{} <small>{}</small>", meaning.capitalize(), said) if said else meaning
