"""The SES stand-in: AWS SES's SMTP endpoint, without TLS."""

import asyncio
import logging
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox import mail
from sandbox.intake import Intake
from sandbox.new_rule import Answer
from sandbox.rules import Rules

# SES's own words: https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html
REPLIES: Mapping[Answer, str] = {
    "throttle": "454 Throttling failure: Maximum sending rate exceeded.",
    "transient": "451 Temporary service failure",
    "permanent": "554 Message rejected: Address is on a blocked list",
    "quota": "454 Throttling failure: Daily message quota exceeded.",
    "paused": "554 Message rejected: Email sending is disabled: account sending paused",
}
WRONG_CREDENTIALS = "535 Authentication Credentials Invalid"
NO_CREDENTIALS = "530 Authentication required"


class Credentials(NamedTuple):
    """The one user and password the SMTP side accepts."""

    user: str
    password: str


class Ses:
    """What is answered to the commands of one sender, for every connection."""

    def __init__(self, intake: Intake, rules: Rules, credentials: Credentials) -> None:
        self._intake = intake
        self._rules = rules
        self._login = LoginPassword(credentials.user.encode(), credentials.password.encode())
        #: Every connection that was made and is still referred to, closed ones among them.
        self.connections: WeakSet[SMTP] = WeakSet()

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: object
    ) -> AuthResult:
        """Whether the login is the one this sandbox knows; aiosmtpd's `authenticator`."""
        if auth_data == self._login and not self._rules.doubts_credentials("email"):
            return AuthResult(success=True, message="235 Authentication successful.")
        return AuthResult(success=False, handled=False, message=WRONG_CREDENTIALS)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd looks its hooks up by name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """The reply to a new message's sender."""
        if self._rules.doubts_credentials("email"):
            return NO_CREDENTIALS
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks its hooks up by name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """The reply to one recipient."""
        if not mail.is_address(address):
            return "553 5.1.3 Error: malformed address"
        envelope.rcpt_tos.append(address)
        return "250 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd looks its hooks up by name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """The reply to one message: the only place where one is kept or refused."""
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from is not None
        try:
            email = mail.accept(
                envelope.content, envelope.mail_from, envelope.rcpt_tos, datetime.now(UTC)
            )
        except mail.Refused as refused:
            return f"554 Transaction failed: {refused}"
        refusal = await self._intake.take(email, server.transport)
        return REPLIES[refusal] if refusal else f"250 Ok {email.id}"


def protocol_factory(ses: Ses) -> Callable[[], SMTP]:
    """What `loop.create_server` wants, to serve `ses`; call it inside the running loop."""
    loop = asyncio.get_running_loop()
    # aiosmtpd warns on every connection that passwords cross the wire in the clear; this wire is
    # the loopback interface, and the password is no secret.
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    logging.getLogger("mail.log").setLevel(logging.ERROR)

    def protocol() -> SMTP:
        connection = SMTP(
            ses,
            data_size_limit=mail.MAX_SIZE,
            hostname="email-smtp.sandbox.localhost",
            ident="ESMTP RS Systems sandbox",
            auth_required=True,
            auth_require_tls=False,
            authenticator=ses.authenticate,
            loop=loop,
        )
        ses.connections.add(connection)
        return connection

    return protocol
