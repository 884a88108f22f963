"""SMS receipts: what SNS logs about a text message.

Shape and wording: https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html
"""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from sandbox.sns import parts
from sandbox.sns.sms import USD_PER_PART, Sms


class Result(NamedTuple):
    """How the delivery of a text ended, in SNS's words."""

    status: Literal["SUCCESS", "FAILURE"]
    response: str


ACCEPTED_BY_CARRIER = Result("SUCCESS", "Message has been accepted by phone carrier")
UNREACHABLE = Result("FAILURE", "Phone is currently unreachable/unavailable")
OPTED_OUT = Result("FAILURE", "Phone number is opted out")
#: AWS does not document what SNS says about its failing simulator numbers; this is a guess.
BLOCKED = Result("FAILURE", "Phone has blocked SMS")
#: AWS's simulator numbers that never get a text
#: (https://docs.aws.amazon.com/sms-voice/latest/userguide/test-phone-numbers.html).
FAILING_NUMBERS = frozenset(
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
    """Return the receipt that SNS logs if a text ends with `result` at the time `now`."""
    count = len(parts.split(sms.body))
    is_success = result.status == "SUCCESS"
    carrier = {"phoneCarrier": "Sandbox", "mnc": 1, "mcc": 310}
    dwell_ms = int((now - received_at).total_seconds() * 1000)
    return {
        "notification": {
            "messageId": sms.id,
            "timestamp": received_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        },
        "delivery": {
            **(carrier if is_success else {"mnc": 0, "mcc": 0}),
            "numberOfMessageParts": count,
            "destination": sms.phone,
            "priceInUSD": float(count * USD_PER_PART),
            "smsType": sms.sms_type or "Promotional",
            "providerResponse": result.response,
            "dwellTimeMs": dwell_ms,
            "dwellTimeMsUntilDeviceAck": dwell_ms,
        },
        "status": result.status,
    }
