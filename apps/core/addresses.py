"""The one canonical form of addresses: stored, compared and sent in it; and how they are shown."""

import unicodedata

import idna
import phonenumbers

#: The country of a number that is typed without its country code, and shown without it.
HOME = "US"


def canonical(address: str) -> str:
    """Return an e-mail address or a phone number in the form in which all are compared.

    In lower case, without invisible characters, with the domain in ASCII (IDNA 2008, mapped by
    UTS 46 as browsers do). A domain that IDNA refuses keeps its spelling; so does a phone number.
    """
    visible = "".join(char for char in address if not _is_invisible(char)).strip()
    local, at, domain = unicodedata.normalize("NFC", visible).lower().rpartition("@")
    return local + at + _ascii(domain)


def shown(address: str) -> str:
    """Return a stored number as people write it, and an e-mail address as it is.

    (202) 555-0123, or +44 20 7946 0018 for another country.
    """
    if not address.startswith("+"):
        return address
    try:
        number = phonenumbers.parse(address)
    except phonenumbers.NumberParseException:
        return address
    # An area code that is too new for the metadata is of no known country: see `is_unassigned`.
    region = phonenumbers.region_code_for_number(number) or HOME
    is_home = region == HOME and number.country_code == phonenumbers.country_code_for_region(HOME)
    form = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(number, form.NATIONAL if is_home else form.INTERNATIONAL)


def _is_invisible(char: str) -> bool:
    # Cf: zero-width and bidi characters, soft hyphen, byte-order mark. Cs: half a character.
    return unicodedata.category(char) in ("Cc", "Cf", "Cs")


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain
