"""One of boto3's clients for calls that must not be made twice, and that fails in our words."""

from typing import Any

from botocore import UNSIGNED
from botocore import exceptions as aws
from botocore.config import Config
from botocore.parsers import ResponseParserError

from apps.core.exceptions import AmbiguousError, ChannelUnavailableError, NotSendable

from . import errors, session
from .errors import Vocabulary

#: One attempt only: boto3's own retries sent one message three times after a time-out.
CONFIG = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})


class AwsClient:
    """A client with a session of its own.

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
        """`read_timeout`: seconds that an answer may take; `signed` False wants no credentials."""
        self._service = service
        self._region = region
        self._vocabulary = vocabulary
        self._signed = signed
        signature = {} if signed else {"signature_version": UNSIGNED}
        self._config = CONFIG.merge(Config(read_timeout=read_timeout, **signature))
        self._client: Any = None

    def open(self) -> None:
        """Have a client, with credentials where it signs; raises ChannelUnavailableError."""
        if self._client is not None:
            return
        try:
            opened = session.new()
            if self._signed and opened.get_credentials() is None:
                raise aws.NoCredentialsError
            self._client = opened.create_client(
                self._service, region_name=self._region, config=self._config
            )
        except (aws.BotoCoreError, ValueError) as error:
            # ValueError is that of a region or an address that cannot be.
            raise ChannelUnavailableError(str(error), code=type(error).__name__) from error

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call, by the name of boto3's method; raises DeliveryError."""
        self.open()
        try:
            answer: dict[str, Any] = getattr(self._client, action)(**parameters)
        except (aws.ClientError, aws.BotoCoreError) as error:
            known = errors.from_exception(error, self._vocabulary)
            if isinstance(known, ChannelUnavailableError):
                self._client = None
            raise known from error
        except UnicodeEncodeError as error:
            # While the request was written, so nothing was sent.
            raise NotSendable(str(error), code=type(error).__name__) from error
        except (ResponseParserError, LookupError, TypeError, ValueError) as error:
            # botocore's parsers fail in many ways for an answer that is not AWS's.
            raise AmbiguousError(
                f"the answer cannot be read: {error!r}", code=type(error).__name__
            ) from error
        return answer
