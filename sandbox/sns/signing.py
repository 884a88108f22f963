"""SNS's signatures, with a key that is made at each start."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SignatureVersion = Literal["1", "2"]
VERSIONS: tuple[SignatureVersion, ...] = get_args(SignatureVersion)

# https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
_SIGNED = (
    "Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
)  # fmt: skip
_VALID = timedelta(days=365)


class Signer:
    """Signs by one version of SNS's signature: 1 is SHA-1, 2 is SHA-256."""

    def __init__(self, version: SignatureVersion) -> None:
        self.version = version
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        certificate = _self_signed(self._key)
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        # The names of SNS's own certificates have this length.
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()[:32]
        self.certificate_path = f"/SimpleNotificationService-{fingerprint}.pem"

    def sign(self, envelope: Mapping[str, str]) -> str:
        """Return the signature of an envelope, in base64."""
        # S303: SHA-1 is weak, and SNS's version 1 uses it.
        algorithm = hashes.SHA1() if self.version == "1" else hashes.SHA256()  # noqa: S303
        signature = self._key.sign(string_to_sign(envelope), padding.PKCS1v15(), algorithm)
        return base64.b64encode(signature).decode()


def string_to_sign(envelope: Mapping[str, str]) -> bytes:
    """Return the names and values that SNS signs, one per line, ordered by name."""
    lines = [f"{name}\n{envelope[name]}\n" for name in _SIGNED if name in envelope]
    return "".join(lines).encode()


def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.sandbox.localhost")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )
