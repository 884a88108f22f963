"""The SNS topic that SES's events are published to, and its one HTTP subscriber."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp

from sandbox.clock import iso
from sandbox.place import ACCOUNT_ID, REGION
from sandbox.signing import Signer
from sandbox.store import Publication

ARN = f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:rs-systems-ses-events"
SUBJECT = "Amazon SES Email Event Notification"

#: SNS waits this long for an answer; its own pauses and number of attempts are the topic's to set.
ANSWER_S = 15.0
AGAIN_S = 1.0
ATTEMPTS = 121
AT_ONCE = 16

Envelope = dict[str, str]


class Topic:
    """Publishes to `url`, or to nobody where that is empty. Use it as an async context manager."""

    def __init__(self, signer: Signer, url: str) -> None:
        self.signer = signer
        self.url = url
        #: Where this sandbox itself is to be found, known once it listens.
        self.http_url = self.aws_url = ""
        self.published = self.refused = 0
        self.confirmed = False
        self._token = ""
        self._subscription = f"{ARN}:{uuid4()}"
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def notification(self, message: Mapping[str, Any]) -> Envelope:
        """A message of the topic, ready to be delivered."""
        unsubscribe = urlencode({"Action": "Unsubscribe", "SubscriptionArn": self._subscription})
        return self._signed(
            {"Type": "Notification", "Subject": SUBJECT, "Message": json.dumps(message)}
        ) | {"UnsubscribeURL": f"{self.aws_url}/?{unsubscribe}"}

    def confirmation(self) -> Envelope:
        """The message that asks the subscriber to confirm; an earlier one's token ends with it."""
        self._token, self.confirmed = uuid4().hex * 4, False
        confirm = {"Action": "ConfirmSubscription", "TopicArn": ARN, "Token": self._token}
        return self._signed(
            {
                "Type": "SubscriptionConfirmation",
                "Token": self._token,
                "Message": f"You have chosen to subscribe to the topic {ARN}.\n"
                "To confirm the subscription, visit the SubscribeURL included in this message.",
                "SubscribeURL": f"{self.aws_url}/?{urlencode(confirm)}",
            }
        )

    def again(self, envelope: Envelope) -> Envelope:
        """The same message published a second time, which gives it another id."""
        return envelope | self._signed(
            {name: envelope[name] for name in ("Type", "Subject", "Message")}
        )

    def confirm(self, arn: str, token: str) -> str | None:
        """The subscription's ARN, or None where the token is not the one that was sent."""
        if arn != ARN or not self._token or token != self._token:
            return None
        self.confirmed = True
        return self._subscription

    async def deliver(self, envelope: Envelope, publication: Publication) -> None:
        """Post it until the subscriber has answered for good, as SNS does: 2xx to 4xx are final."""
        self.published += 1
        for _ in range(ATTEMPTS):
            publication.status = await self._post(envelope)
            if publication.status and publication.status < 500:
                break
            await asyncio.sleep(AGAIN_S)
        if not publication.status or publication.status >= 300:
            self.refused += 1

    async def _post(self, envelope: Envelope) -> int | None:
        """The status of the answer; None where there was none."""
        body = json.dumps(envelope, indent=2)
        async with self._slots:
            try:
                async with self._session.post(
                    self.url, data=body, headers=self._headers(envelope), allow_redirects=False
                ) as answer:
                    return answer.status
            except (aiohttp.ClientError, TimeoutError):
                return None

    def _signed(self, fields: Envelope) -> Envelope:
        envelope = {
            **fields,
            "MessageId": str(uuid4()),
            "TopicArn": ARN,
            "Timestamp": iso(datetime.now(UTC)),
        }
        return envelope | {
            "SignatureVersion": self.signer.version,
            "Signature": self.signer.sign(envelope),
            "SigningCertURL": f"{self.http_url}{self.signer.certificate_path}",
        }

    def _headers(self, envelope: Envelope) -> dict[str, str]:
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": envelope["Type"],
            "x-amz-sns-message-id": envelope["MessageId"],
            "x-amz-sns-topic-arn": envelope["TopicArn"],
        }
        if envelope["Type"] == "Notification":
            headers["x-amz-sns-subscription-arn"] = self._subscription
        return headers
