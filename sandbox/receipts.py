"""What SNS writes to CloudWatch Logs of a text message.

The shape and the words are those of https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html
"""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from apps.core import segments
from apps.core.simulator import NUMBERS
from sandbox.sms import USD_PER_PART, Sms


class Result(NamedTuple):
    """How it ended, in the words of SNS."""

    status: Literal["SUCCESS", "FAILURE"]
    response: str


CARRIED = Result("SUCCESS", "Message has been accepted by phone carrier")
UNREACHABLE = Result("FAILURE", "Phone is currently unreachable/unavailable")
OPTED_OUT = Result("FAILURE", "Phone number is opted out")
#: What SNS says of these is written nowhere; it may be any of its words for a failure.
BLOCKED = Result("FAILURE", "Phone has blocked SMS")
FAILING = frozenset(numbers.failure for numbers in NUMBERS.values())


def document(sms: Sms, received_at: datetime, result: Result, now: datetime) -> dict[str, Any]:
    """The JSON that SNS logs of a text message that ended so `now`."""
    parts = segments.count(sms.body).parts
    carried = result.status == "SUCCESS"
    carrier = {"phoneCarrier": "Sandbox", "mnc": 1, "mcc": 310} if carried else {"mnc": 0, "mcc": 0}
    took = int((now - received_at).total_seconds() * 1000)
    return {
        "notification": {
            "messageId": sms.id,
            "timestamp": received_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        },
        "delivery": {
            **carrier,
            "numberOfMessageParts": parts,
            "destination": sms.phone,
            "priceInUSD": float(parts * USD_PER_PART),
            "smsType": sms.sms_type or "Promotional",
            "providerResponse": result.response,
            "dwellTimeMs": took,
            "dwellTimeMsUntilDeviceAck": took,
        },
        "status": result.status,
    }
