"""The links in an e-mail."""

from html.parser import HTMLParser


def links(html: str) -> list[str]:
    """Return the targets of the links in an HTML document, in order, without duplicates."""
    parser = _Links()
    parser.feed(html)
    return list(parser.found)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (target := dict(attrs).get("href")):
            self.found[target] = None
