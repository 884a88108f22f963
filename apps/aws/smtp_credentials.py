"""Makes SES's SMTP credentials from an IAM user's access key.

The algorithm is the one of https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html.
"""

import base64
import hashlib
import hmac
import re
from typing import NamedTuple

#: Fixed by the algorithm: the date of every SMTP password is the same.
_DATE, _SERVICE, _TERMINAL, _MESSAGE = "11111111", "ses", "aws4_request", "SendRawEmail"
_VERSION = b"\x04"
#: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
_ACCESS_KEY_ID = re.compile(r"[A-Z0-9]{16,128}")
#: Keys of a role or session begin so; SES's SMTP endpoint refuses them.
_TEMPORARY = "ASIA"
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_SECRET_LENGTH = 40


class Unusable(ValueError):
    """No credentials can be made of this key; the text says what to do."""


class Credentials(NamedTuple):
    """The values of AWS_SES_SMTP_USER and AWS_SES_SMTP_PASSWORD."""

    user: str
    password: str


def derive(access_key_id: str, secret: str, region: str) -> Credentials:
    """Make the SMTP credentials of that key for one Region; raises Unusable."""
    _refuse(access_key_id, secret, region)
    key = f"AWS4{secret}".encode()
    for part in (_DATE, region, _SERVICE, _TERMINAL, _MESSAGE):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return Credentials(access_key_id, base64.b64encode(_VERSION + key).decode())


def _refuse(access_key_id: str, secret: str, region: str) -> None:
    if not is_access_key_id(access_key_id):
        # Not repeated, for it may be the secret itself.
        raise Unusable("That is no access key id: those look like AKIAIOSFODNN7….")
    if access_key_id.startswith(_TEMPORARY):
        raise Unusable(
            f"{access_key_id} is a temporary key, and SES's SMTP endpoint takes none: make an "
            "access key of an IAM user that may ses:SendRawEmail."
        )
    if not _REGION.fullmatch(region):
        raise Unusable(f"{region!r} is no Region: write it as in us-east-1.")
    if is_smtp_password(secret):
        raise Unusable("That is an SMTP password already: use it as AWS_SES_SMTP_PASSWORD.")
    if len(secret) != _SECRET_LENGTH or not secret.isascii() or not secret.isprintable():
        raise Unusable(
            f"That is no secret access key: it has {len(secret)} characters, and those have "
            f"{_SECRET_LENGTH}."
        )


def is_access_key_id(text: str) -> bool:
    """Return whether the text looks like the id of an access key."""
    return bool(_ACCESS_KEY_ID.fullmatch(text))


def is_smtp_password(text: str) -> bool:
    """Return whether the text looks like `derive`'s: 33 bytes in base64, the first a 4."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return len(raw) == 33 and raw.startswith(_VERSION)
