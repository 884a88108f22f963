"""Verify that a message comes from SNS, and from a topic of ours.

The rules are those of
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Some are stricter,
so that a stranger cannot choose what this process fetches.
"""

import base64
import binascii
import re
import time
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from threading import BoundedSemaphore
from typing import Annotated, Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import settings
from django.utils import timezone
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

#: An SNS message has at most 256 KiB; its envelope and the escaping of its text come on top.
MAX_BYTES = 1024 * 1024
#: SNS retries an endpoint for at most an hour; clocks may differ by some minutes.
OLDEST = timedelta(minutes=75)
CLOCK_SKEW = timedelta(minutes=5)
CERTIFICATE_TIMEOUT_S = 5.0
MAX_CERTIFICATE_BYTES = 64 * 1024

#: Answers that ask the client to try again.
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

_PATH = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]+\.pem")
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "Confirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}


class UntrustedMessage(Exception):
    """The message is refused for good; the text says why."""


class TryAgainLater(Exception):
    """The message cannot be handled now: SNS did not answer a request of ours."""


class UnreadableCertificate(TryAgainLater):
    """SNS answered with something that is no certificate; others may be readable."""


Word = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class Envelope(BaseModel):
    """One SNS message as documented; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"] = Field(
        alias="Type"
    )
    message_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        alias="MessageId"
    )
    topic_arn: Word = Field(alias="TopicArn")
    message: str = Field(alias="Message")
    timestamp: AwareDatetime = Field(alias="Timestamp")
    signature_version: Literal["1", "2"] = Field(alias="SignatureVersion")
    signature: Word = Field(alias="Signature")
    certificate_url: Word = Field(alias="SigningCertURL")
    token: str = Field("", alias="Token")
    #: The fields as they came: the signature is over their text.
    fields: dict[str, Any] = Field(default_factory=dict, exclude=True)


def verify(body: bytes, *, oldest: timedelta | None = OLDEST) -> Envelope:
    """Return the message in `body` after all checks; `oldest` None accepts any age.

    Raise UntrustedMessage, also if SNS has no such certificate, or TryAgainLater if the
    certificate could not be fetched.
    """
    envelope = _parse(body)
    # First, so that a stranger's message makes us fetch nothing.
    if envelope.topic_arn not in settings.AWS_EVENT_TOPIC_ARNS:
        raise UntrustedMessage("its topic is not one of ours")
    _check_age(envelope.timestamp, oldest)
    _check_certificate_url(envelope.certificate_url, envelope.topic_arn)
    _check_signature(envelope, _public_key(envelope.certificate_url))
    return envelope


def _parse(body: bytes) -> Envelope:
    if len(body) > MAX_BYTES:
        raise UntrustedMessage("it is too large")
    try:
        # The standard library's parser fails on deep nesting.
        fields = from_json(body)
        return Envelope.model_validate({**fields, "fields": fields})
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise UntrustedMessage(f"it is no SNS message: {where}") from error
    except (ValueError, TypeError) as error:
        raise UntrustedMessage("it is no JSON object") from error


def _check_age(timestamp: datetime, oldest: timedelta | None) -> None:
    age = timezone.now() - timestamp
    if age < -CLOCK_SKEW:
        raise UntrustedMessage("it is from the future")
    if oldest is not None and age > oldest:
        raise UntrustedMessage("it is too old")


def _check_certificate_url(url: str, topic_arn: str) -> None:
    try:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
    except ValueError as error:
        raise UntrustedMessage("its certificate has no address") from error
    # Only the topic's own region: other hosts below amazonaws.com may be a stranger's bucket.
    _, partition, _, region, *_ = topic_arn.split(":")
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    genuine = origin == f"https://sns.{region}.{suffix}"
    ours = settings.SNS_TRUST_SANDBOX and origin == settings.SANDBOX_URL
    if not (genuine or ours) or not _PATH.fullmatch(parts.path) or parts.query or parts.fragment:
        raise UntrustedMessage("its certificate is not at SNS")


def _check_signature(envelope: Envelope, key: rsa.RSAPublicKey) -> None:
    algorithm = _HASHES[envelope.signature_version]()
    try:
        signature = base64.b64decode(envelope.signature, validate=True)
        key.verify(signature, _signed_text(envelope), padding.PKCS1v15(), algorithm)
    except (binascii.Error, InvalidSignature) as error:
        raise UntrustedMessage("its signature is wrong") from error


def _signed_text(envelope: Envelope) -> bytes:
    names = _SIGNED["Notification" if envelope.kind == "Notification" else "Confirmation"]
    present = [(name, envelope.fields.get(name)) for name in names]
    return "".join(f"{name}\n{value}\n" for name, value in present if value is not None).encode()


def _public_key(url: str) -> rsa.RSAPublicKey:
    certificate = _load_certificate(url)
    now = timezone.now()
    try:
        key = certificate.public_key()
        is_valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    except (UnsupportedAlgorithm, ValueError) as error:
        raise UntrustedMessage("its certificate cannot be read") from error
    if not is_valid:
        _load_certificate.cache_clear()
        raise TryAgainLater("the certificate of SNS is out of date")
    if not isinstance(key, rsa.RSAPublicKey):
        raise UntrustedMessage("its certificate is of another sort")
    return key


class _NoRedirects(HTTPRedirectHandler):
    """Follow no redirect: it may lead to a host that was not checked."""

    def redirect_request(self, *_: Any) -> None:
        return None


#: How many threads of a process may wait for a certificate at a time.
_fetches = BoundedSemaphore(2)
_http = build_opener(_NoRedirects)
_http_without_proxy = build_opener(_NoRedirects, ProxyHandler({}))


@lru_cache(maxsize=16)
def _load_certificate(url: str) -> x509.Certificate:
    """Return the certificate at a checked address; failures are not cached."""
    try:
        return x509.load_pem_x509_certificate(_fetch(url))
    except HTTPError as error:
        if error.code < 500 and error.code not in _LATER:
            raise UntrustedMessage(f"SNS has no such certificate: {error.code}") from error
        raise TryAgainLater(f"the certificate of SNS could not be fetched: {error}") from error
    except (ValueError, x509.InvalidVersion) as error:
        # Half a certificate: the next answer may be whole.
        raise UnreadableCertificate("the certificate of SNS cannot be read") from error
    except (URLError, HTTPException, OSError) as error:
        raise TryAgainLater(f"the certificate of SNS could not be fetched: {error}") from error


def _fetch(url: str) -> bytes:
    opener = _http if url.startswith("https:") else _http_without_proxy
    # A stranger who knows a topic can make us ask SNS for certificates that it does not have.
    if not _fetches.acquire(blocking=False):
        raise TryAgainLater("too many certificates are being fetched")
    try:
        with opener.open(url, timeout=CERTIFICATE_TIMEOUT_S) as answer:
            return _read_in_time(answer)
    finally:
        _fetches.release()


def _read_in_time(answer: HTTPResponse) -> bytes:
    """Read the body. Raise TimeoutError if all of it takes longer than one answer may.

    The socket's own time-out begins again with every byte.
    """
    ends = time.monotonic() + CERTIFICATE_TIMEOUT_S
    content = b""
    while len(content) < MAX_CERTIFICATE_BYTES and (part := answer.read1(4096)):
        content += part
        if time.monotonic() > ends:
            raise TimeoutError("the answer came too slowly")
    return content
