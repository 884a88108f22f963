"""The addresses and numbers at which AWS simulates a recipient.

The mailbox simulator is that of
https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html, which takes a `+label`;
the numbers are those of
https://docs.aws.amazon.com/sms-voice/latest/userguide/test-phone-numbers.html
"""

from typing import NamedTuple

MAILBOX_DOMAIN = "@simulator.amazonses.com"


class Numbers(NamedTuple):
    """Of one country: the number that gets its texts, and the one that does not."""

    success: str
    failure: str


#: By ISO 3166 code.
NUMBERS = {
    "AT": Numbers("+43676800442031", "+43676800442032"),
    "AU": Numbers("+61455944038", "+61455944039"),
    "BE": Numbers("+32460213922", "+32460213923"),
    "CH": Numbers("+41798075872", "+41798075874"),
    "CL": Numbers("+56229140630", "+56229140631"),
    "CZ": Numbers("+420790542286", "+420790542287"),
    "DK": Numbers("+4525919410", "+4525919215"),
    "EE": Numbers("+37282720792", "+37282720793"),
    "ES": Numbers("+34683783440", "+34683783442"),
    "FI": Numbers("+3584573979110", "+3584573979111"),
    "FR": Numbers("+33755512501", "+33755512502"),
    "GB": Numbers("+447860019066", "+447860019067"),
    "HK": Numbers("+85257048426", "+85257048854"),
    "HU": Numbers("+36707178770", "+36707178772"),
    "IT": Numbers("+394390009172", "+394390009174"),
    "JE": Numbers("+447937404990", "+447937404992"),
    "LU": Numbers("+352691385880", "+352691385882"),
    "NL": Numbers("+3197008100148", "+3197008100150"),
    "NO": Numbers("+4759449384", "+4759449387"),
    "PL": Numbers("+48732141440", "+48732141442"),
    "PT": Numbers("+351927946948", "+351927946950"),
    "RO": Numbers("+40783900330", "+40783900332"),
    "SE": Numbers("+46790645100", "+46790645102"),
    "TW": Numbers("+886903444630", "+886903444632"),
    "US": Numbers("+14254147755", "+14254147167"),
}

#: All of these numbers.
SIMULATED = frozenset(number for pair in NUMBERS.values() for number in pair)
