"""The one canonical form of addresses: stored, compared and sent in it."""

import unicodedata

import idna


def canonical(address: str) -> str:
    """Return an e-mail address or a phone number in the form in which all are compared.

    In lower case, without invisible characters, with the domain in ASCII (IDNA 2008, mapped by
    UTS 46 as browsers do). A domain that IDNA refuses keeps its spelling; so does a phone number.
    """
    visible = "".join(char for char in address if not _is_invisible(char)).strip()
    local, at, domain = unicodedata.normalize("NFC", visible).lower().rpartition("@")
    return local + at + _ascii(domain)


def _is_invisible(char: str) -> bool:
    # Cf: zero-width and bidi characters, soft hyphen, byte-order mark. Cs: half a character.
    return unicodedata.category(char) in ("Cc", "Cf", "Cs")


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain
