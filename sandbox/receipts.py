"""What SNS writes to CloudWatch Logs of a text message.

The shape and the words are those of https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html
"""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from sandbox import parts
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
#: AWS's simulated phones that never get a text
#: (https://docs.aws.amazon.com/sms-voice/latest/userguide/test-phone-numbers.html).
FAILING = frozenset(
    {
        "+43676800442032",
        "+61455944039",
        "+32460213923",
        "+41798075874",
        "+56229140631",
        "+420790542287",
        "+4525919215",
        "+37282720793",
        "+34683783442",
        "+3584573979111",
        "+33755512502",
        "+447860019067",
        "+85257048854",
        "+36707178772",
        "+394390009174",
        "+447937404992",
        "+352691385882",
        "+3197008100150",
        "+4759449387",
        "+48732141442",
        "+351927946950",
        "+40783900332",
        "+46790645102",
        "+886903444632",
        "+14254147167",
    }
)


def document(sms: Sms, received_at: datetime, result: Result, now: datetime) -> dict[str, Any]:
    """The JSON that SNS logs of a text message that ended so `now`."""
    count = len(parts.split(sms.body))
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
            "numberOfMessageParts": count,
            "destination": sms.phone,
            "priceInUSD": float(count * USD_PER_PART),
            "smsType": sms.sms_type or "Promotional",
            "providerResponse": result.response,
            "dwellTimeMs": took,
            "dwellTimeMsUntilDeviceAck": took,
        },
        "status": result.status,
    }
