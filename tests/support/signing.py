"""Messages signed as SNS does, with the tests' own key.

Written from the documentation and not from the code under test: the signed fields are in
the order in which the documentation lists them.
"""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:us-east-1:123456789012:rs-systems-ses-events"
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem"


class Signer:
    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = self.certificate_of_days(-1, 30)

    def certificate_of_days(self, start: int, end: int) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            issuer_name=name,
            subject_name=name,
            public_key=self._key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now + timedelta(days=start),
            not_valid_after=now + timedelta(days=end),
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, fields: dict[str, Any], text: str) -> str:
        """Return the envelope with its signature over `text`, as JSON."""
        algorithm = hashes.SHA1() if fields["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), algorithm)
        return json.dumps({**fields, "Signature": base64.b64encode(signature).decode()})

    def notification(
        self, message: str, *, age: timedelta = timedelta(), version: str = "2", **changes: Any
    ) -> str:
        fields = {
            "Type": "Notification",
            "MessageId": str(uuid4()),
            "TopicArn": TOPIC,
            "Subject": "Amazon SES Email Event Notification",
            "Message": message,
            "Timestamp": timestamp(age),
            "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE_URL,
            "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
            **changes,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        subject = f"Subject\n{fields['Subject']}\n" if "Subject" in fields else ""
        return self.sign(
            fields,
            f"Message\n{fields['Message']}\nMessageId\n{fields['MessageId']}\n{subject}"
            f"Timestamp\n{fields['Timestamp']}\nTopicArn\n{fields['TopicArn']}\nType\nNotification\n",
        )

    def confirmation(self, kind: str = "SubscriptionConfirmation", **changes: Any) -> str:
        fields = {
            "Type": kind,
            "MessageId": str(uuid4()),
            "Token": "2336412f37",
            "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe.",
            "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
            "Timestamp": timestamp(timedelta()),
            "SignatureVersion": "1",
            "SigningCertURL": CERTIFICATE_URL,
            **changes,
        }
        return self.sign(
            fields,
            f"Message\n{fields['Message']}\nMessageId\n{fields['MessageId']}\n"
            f"SubscribeURL\n{fields['SubscribeURL']}\nTimestamp\n{fields['Timestamp']}\n"
            f"Token\n{fields['Token']}\nTopicArn\n{fields['TopicArn']}\nType\n{kind}\n",
        )


def timestamp(age: timedelta) -> str:
    return (datetime.now(UTC) - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
