"""The SNS topic of SES's events, and its one HTTP subscriber."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp

from sandbox import arns
from sandbox.sns.signing import Signer
from sandbox.store import PublishedEvent
from sandbox.timestamps import iso

SUBJECT = "Amazon SES Email Event Notification"

#: SNS's own time limit for an answer. At AWS the topic's policy sets pauses and attempts.
ANSWER_TIMEOUT_S = 15.0
RETRY_S = 1.0
MAX_ATTEMPTS = 121
MAX_OPEN_POSTS = 16

Envelope = dict[str, str]


class Topic:
    """Posts to `url`, unless that is empty. Use it as an async context manager."""

    def __init__(self, signer: Signer, url: str) -> None:
        self.signer = signer
        self.url = url
        #: The sandbox's own addresses, known once it listens.
        self.http_url = self.aws_url = ""
        self.published = self.refused = 0
        self.confirmed = False
        self._token = ""
        self._subscription = f"{arns.TOPIC}:{uuid4()}"
        self._slots = asyncio.Semaphore(MAX_OPEN_POSTS)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def notification(self, message: Mapping[str, Any]) -> Envelope:
        """Return the signed envelope of a message."""
        unsubscribe = urlencode({"Action": "Unsubscribe", "SubscriptionArn": self._subscription})
        return self._signed(
            {"Type": "Notification", "Subject": SUBJECT, "Message": json.dumps(message)}
        ) | {"UnsubscribeURL": f"{self.aws_url}/?{unsubscribe}"}

    def confirmation(self) -> Envelope:
        """Return the envelope that asks for confirmation; earlier tokens stop working."""
        self._token, self.confirmed = uuid4().hex * 4, False
        confirm = {"Action": "ConfirmSubscription", "TopicArn": arns.TOPIC, "Token": self._token}
        return self._signed(
            {
                "Type": "SubscriptionConfirmation",
                "Token": self._token,
                "Message": f"You have chosen to subscribe to the topic {arns.TOPIC}.\n"
                "To confirm the subscription, visit the SubscribeURL included in this message.",
                "SubscribeURL": f"{self.aws_url}/?{urlencode(confirm)}",
            }
        )

    def republished(self, envelope: Envelope) -> Envelope:
        """Return the same message as if published again, under a new message ID."""
        return envelope | self._signed(
            {name: envelope[name] for name in ("Type", "Subject", "Message")}
        )

    def confirm(self, arn: str, token: str) -> str | None:
        """Confirm and return the subscription's ARN, or None if the token is wrong."""
        if arn != arns.TOPIC or not self._token or token != self._token:
            return None
        self.confirmed = True
        return self._subscription

    async def deliver(self, envelope: Envelope, event: PublishedEvent) -> None:
        """Post until the subscriber's answer is final. For SNS, 2xx to 4xx are final."""
        self.published += 1
        for _ in range(MAX_ATTEMPTS):
            event.status = await self._post(envelope)
            if event.status and event.status < 500:
                break
            await asyncio.sleep(RETRY_S)
        if not event.status or event.status >= 300:
            self.refused += 1

    async def _post(self, envelope: Envelope) -> int | None:
        """Post once; return the answer's status, or None without an answer."""
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
            "TopicArn": arns.TOPIC,
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
