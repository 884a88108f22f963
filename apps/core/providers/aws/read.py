"""Calls to AWS that send no message. They may be repeated, and the caller asks again later."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as aws
from botocore import xform_name

from . import client, errors
from .client import SHORT, Timeouts
from .errors import CallFailed, Cause

#: SES answers everything but sending once a second
#: (https://docs.aws.amazon.com/ses/latest/dg/quotas.html).
SES_PAUSE_S = 1.1

_ses_answers_from = 0.0


class Reader:
    """Reads from one service. Each call is named by its right, as in `sns:OptInPhoneNumber`."""

    def __init__(
        self,
        service: str,
        region: str,
        timeouts: Timeouts = SHORT,
        *,
        retry: bool = False,
        endpoint: str | None = None,
    ) -> None:
        """Raises ChannelUnavailableError for an impossible Region."""
        try:
            self.client = client.create(service, region, timeouts, retry=retry, endpoint=endpoint)
        except CallFailed as failed:
            raise errors.of_reading(failed, "") from failed

    def ask(self, permission: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one call.

        Raises ThrottledError, PermanentError for what AWS will not do, ChannelUnavailableError if
        it takes no such call from us, and TransientError for the rest.
        """
        try:
            return call(self.client, permission.partition(":")[2], **parameters)
        except CallFailed as failed:
            raise errors.of_reading(failed, permission) from failed

    def pages(self, permission: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of an answer, for calls that botocore can page; raises as `ask`."""
        method = xform_name(permission.partition(":")[2])
        try:
            yield from self.client.get_paginator(method).paginate(**parameters)
        except (aws.ClientError, aws.BotoCoreError) as error:
            raise errors.of_reading(errors.from_exception(error), permission) from error
        except errors.UNREADABLE as error:
            raise errors.of_reading(errors.from_unreadable(error), permission) from error


@contextmanager
def understood(permission: str) -> Iterator[None]:
    """Raise TransientError if what is read here from an answer is not there, or of another type."""
    try:
        yield
    except errors.UNREADABLE as error:
        raise errors.of_reading(errors.from_unreadable(error), permission) from error


def call(made: Any, action: str, **parameters: Any) -> dict[str, Any]:
    """Return the answer to one call, spelled as AWS spells the action; raises CallFailed."""
    _keep_ses_pace(made)
    try:
        answer: dict[str, Any] = getattr(made, xform_name(action))(**parameters)
    except (aws.ClientError, aws.BotoCoreError) as error:
        raise errors.from_exception(error) from error
    except errors.UNREADABLE as error:
        if type(error) is ValueError:
            # An endpoint override that is no URL.
            raise CallFailed(Cause.MISCONFIGURED, str(error), "ValueError") from error
        raise errors.from_unreadable(error) from error
    return answer


def _keep_ses_pace(made: Any) -> None:
    """Wait until AWS's own SES answers again; a stand-in has no such limit."""
    global _ses_answers_from
    if made.meta.service_model.service_name == "sesv2" and made.meta.endpoint_url.endswith(
        ".amazonaws.com"
    ):
        time.sleep(max(0.0, _ses_answers_from - time.monotonic()))
        _ses_answers_from = time.monotonic() + SES_PAUSE_S
