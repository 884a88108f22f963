"""Events as a configuration set of SES publishes them."""

from typing import Any
from uuid import UUID

ID = "0100019ac4f0e8a1-6d2b8f0a-1111-2222-3333-444455556666-000000"
OURS = UUID("6f1f3d1c-0d52-4a55-8a54-0f9f8e0f4d11")
JANE = "jane@fleet.example"


def mail(**changes: Any) -> dict[str, Any]:
    """Return the `mail` object as configuration sets publish it."""
    return {
        "timestamp": "2026-11-25T10:00:00.000Z",
        "messageId": ID,
        "source": "notifications@rssystems.com",
        "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/rssystems.com",
        "sendingAccountId": "123456789012",
        "destination": [JANE],
        "headersTruncated": False,
        "headers": [{"name": "Subject", "value": "Approved"}],
        "commonHeaders": {"from": ["notifications@rssystems.com"], "to": [JANE]},
        "tags": {
            "ses:configuration-set": ["rs-systems-notifications"],
            "delivery": [str(OURS)],
            "attempt": ["2"],
        },
        **changes,
    }


BOUNCE = {
    "bounceType": "Permanent",
    "bounceSubType": "General",
    "bouncedRecipients": [
        {
            "emailAddress": JANE,
            "action": "failed",
            "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        }
    ],
    "timestamp": "2026-11-25T10:00:02.500Z",
    "feedbackId": "0100-feedback",
    "reportingMTA": "dsn; a8-11.smtp-out.amazonses.com",
}
COMPLAINT = {
    "complainedRecipients": [{"emailAddress": JANE.upper()}, {"emailAddress": "x@fleet.example"}],
    "timestamp": "2026-11-25T10:05:00.000Z",
    "feedbackId": "0100-complaint",
    "complaintSubType": None,
    "userAgent": "Any feedback loop",
    "complaintFeedbackType": "abuse",
    "arrivalDate": "2026-11-25T10:00:03.000Z",
}
DELIVERY = {
    "timestamp": "2026-11-25T10:00:01.000Z",
    "processingTimeMillis": 900,
    "recipients": [JANE],
    "smtpResponse": "250 2.6.0 Message received",
    "reportingMTA": "mta.example",
}
