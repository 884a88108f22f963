"""The clients of AWS: how each is made, and the one that sends messages."""

import threading
from typing import Any, NamedTuple

from botocore import UNSIGNED
from botocore import exceptions as aws
from botocore.config import Config

from apps.core.exceptions import ChannelUnavailableError, NotSendable

from . import errors, session
from .errors import CallFailed, Cause, Vocabulary


class Timeouts(NamedTuple):
    """Seconds for the connection and for each answer."""

    connect_s: float
    answer_s: float


#: A person or a turn of a worker waits, and the next one asks again.
SHORT = Timeouts(3, 5)
#: A log, a queue or metrics are read page by page.
READING = Timeouts(5, 20)
#: CloudFormation reads a whole template.
CHANGING = Timeouts(5, 30)

#: How often botocore tries what may be repeated.
TRIES = 3


def create(
    service: str,
    region: str,
    timeouts: Timeouts,
    *,
    retry: bool = False,
    signed: bool = True,
    endpoint: str | None = None,
    of: Any = None,
) -> Any:
    """Make a botocore client.

    `retry`: botocore tries again by itself. Only for calls that may be repeated: with its defaults
    it sent one message three times after a time-out. `endpoint`: in place of the Region's public
    one. `of`: the session, else a new one. Raises CallFailed for an impossible Region or endpoint.
    """
    config = Config(
        connect_timeout=timeouts.connect_s,
        read_timeout=timeouts.answer_s,
        # One for each thread that sends by the client.
        max_pool_connections=100,
        retries={"mode": "standard", "total_max_attempts": TRIES if retry else 1},
        **({} if signed else {"signature_version": UNSIGNED}),
    )
    try:
        return (of or session.new()).create_client(
            service, region_name=region, endpoint_url=endpoint, config=config
        )
    except (aws.BotoCoreError, ValueError) as error:
        raise CallFailed(Cause.MISCONFIGURED, str(error), type(error).__name__) from error


class AwsClient:
    """A client that sends: each call is made once, and fails as a DeliveryError.

    It is kept for as long as AWS takes what it sends. After a ChannelUnavailableError the next
    call makes another: the machine may have been given a role, or a new key, meanwhile.
    """

    def __init__(
        self,
        service: str,
        region: str,
        vocabulary: Vocabulary,
        *,
        read_timeout: float,
        signed: bool = True,
    ) -> None:
        """`read_timeout`: seconds that an answer may take; `signed` False needs no credentials."""
        self._service = service
        self._region = region
        self._vocabulary = vocabulary
        self._signed = signed
        self._timeouts = Timeouts(READING.connect_s, read_timeout)
        self._client: Any = None
        self._opening = threading.Lock()

    def open(self) -> Any:
        """Return a client, with credentials if it signs; raises ChannelUnavailableError."""
        with self._opening:
            if self._client is None:
                try:
                    self._client = self._made()
                except CallFailed as failed:
                    raise errors.of_sending(failed, self._vocabulary) from failed
            return self._client

    def _made(self) -> Any:
        opened = session.new()
        try:
            if self._signed and opened.get_credentials() is None:
                raise aws.NoCredentialsError
        except aws.BotoCoreError as error:
            raise CallFailed(Cause.CREDENTIALS, str(error), type(error).__name__) from error
        return create(self._service, self._region, self._timeouts, signed=self._signed, of=opened)

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one call, by the name of boto3's method; raises DeliveryError."""
        client = self.open()
        try:
            answer: dict[str, Any] = getattr(client, action)(**parameters)
        except (aws.ClientError, aws.BotoCoreError) as error:
            known = errors.of_sending(errors.from_exception(error), self._vocabulary)
            if isinstance(known, ChannelUnavailableError) and self._client is client:
                self._client = None
            raise known from error
        except UnicodeEncodeError as error:
            # While the request was written, so nothing was sent.
            raise NotSendable(str(error), code=type(error).__name__) from error
        except errors.UNREADABLE as error:
            raise errors.of_sending(errors.from_unreadable(error), self._vocabulary) from error
        return answer
