"""Keep messages that we cannot read, so that one of them stops no other."""

import hashlib
import logging

from django.db import DataError

from apps.core.models import SetAside
from apps.core.redaction import storable, whole
from apps.core.states import Via

logger = logging.getLogger(__name__)

#: What the content of a message may raise. Errors after which another try may succeed are not among
#: them.
POISON = (
    DataError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def set_aside(text: str, via: Via, error: BaseException | str) -> None:
    """Keep the raw text for a person to look at; log an error if it is new."""
    problem = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    row, created = SetAside.objects.get_or_create(
        fingerprint=hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest(),
        defaults={"via": via, "text": whole(text), "problem": storable(problem, 300)},
    )
    if created:
        # No words of the message: they may be a person's address.
        logger.error("message set aside, the admin shows it id=%s via=%s", row.pk, via)
