"""Proofs that a person has an address: links by e-mail and codes by text message."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.db import models
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from .. import conf
from ..states import Channel
from .fields import AddressField

_SALT = "apps.core.verification"
_DIGITS = 6


class Purpose(models.TextChoices):
    EMAIL = "email", "to confirm an e-mail address"
    PHONE = "phone", "to confirm a mobile number"
    PASSWORD = "password", "to choose a new password"


#: How long a link or a code is valid. Django decides it for the link to a new password.
VALID_FOR = {
    Purpose.EMAIL: timedelta(days=1),
    Purpose.PHONE: timedelta(minutes=10),
    Purpose.PASSWORD: timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT),
}
#: How often a code may be tried.
MOST_TRIES = 5


class VerificationQuerySet(models.QuerySet["Verification"]):
    def usable(self) -> "VerificationQuerySet":
        return self.filter(used_at=None, expires_at__gt=Now(), tries__lt=MOST_TRIES)

    def old(self) -> "VerificationQuerySet":
        """Return those that no limit counts any more and whose delivery's log is gone."""
        return self.filter(created_at__lt=Now() - conf.log_retention())


class Verification(models.Model):
    """One link or code that was sent to one address.

    Neither is stored. Both follow from the random ID and SECRET_KEY, so the database alone gives
    no code away, and they are made when the message is composed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="verifications"
    )
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    #: The address that it proves, or to which the link for a new password goes.
    address = AddressField(max_length=320)
    #: A fingerprint of the network address that asked for it; empty if the office did.
    network = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    #: When it was used, or replaced by a newer one.
    used_at = models.DateTimeField(null=True)

    objects = VerificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(purpose__in=Purpose.values), name="verification_purpose_known"
            )
        ]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="verification_of_user"),
            models.Index(fields=["address", "-created_at"], name="verification_of_address"),
            models.Index(fields=["network", "-created_at"], name="verification_of_network"),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}, {self.id}"

    @property
    def channel(self) -> Channel:
        return Channel.SMS if self.purpose == Purpose.PHONE else Channel.EMAIL


def code(verification_id: uuid.UUID | str) -> str:
    """Return the six digits of a verification by text message."""
    value = salted_hmac(_SALT, _hex(verification_id), algorithm="sha256").hexdigest()
    return f"{int(value, 16) % 10**_DIGITS:0{_DIGITS}}"


def token(verification_id: uuid.UUID | str) -> str:
    """Return the signed text that stands in the link of a verification by e-mail."""
    return _signer().sign(_hex(verification_id))


def id_of(token: str) -> uuid.UUID | None:
    """Return the ID in a link's token, or None if the token is not one of ours."""
    try:
        return uuid.UUID(_signer().unsign(token))
    except (signing.BadSignature, ValueError):
        return None


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SALT, sep=".")


def _hex(verification_id: uuid.UUID | str) -> str:
    return uuid.UUID(str(verification_id)).hex
