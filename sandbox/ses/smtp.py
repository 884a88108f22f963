"""SES's SMTP endpoint, without TLS."""

import asyncio
import logging
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox.acceptor import Acceptor
from sandbox.faults.rule import Answer
from sandbox.faults.rules import Rules
from sandbox.ses import mail

#: SES's wording: https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html
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
    """The one user and password that the endpoint accepts."""

    user: str
    password: str


class SmtpEndpoint:
    """Answers the SMTP commands of every connection."""

    def __init__(self, acceptor: Acceptor, rules: Rules, credentials: Credentials) -> None:
        self._acceptor = acceptor
        self._rules = rules
        self._login = LoginPassword(credentials.user.encode(), credentials.password.encode())
        #: Open connections, and closed ones that are not yet garbage.
        self.connections: WeakSet[SMTP] = WeakSet()

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: object
    ) -> AuthResult:
        """Check a login; aiosmtpd's `authenticator`."""
        if auth_data == self._login and not self._rules.use_credentials_rule("email"):
            return AuthResult(success=True, message="235 Authentication successful.")
        return AuthResult(success=False, handled=False, message=WRONG_CREDENTIALS)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd looks its hooks up by name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._rules.use_credentials_rule("email"):
            return NO_CREDENTIALS
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks its hooks up by name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not mail.is_address(address):
            return "553 5.1.3 Error: malformed address"
        envelope.rcpt_tos.append(address)
        return "250 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd looks its hooks up by name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from is not None
        try:
            email = mail.accept(
                envelope.content, envelope.mail_from, envelope.rcpt_tos, datetime.now(UTC)
            )
        except mail.Refused as refused:
            return f"554 Transaction failed: {refused}"
        answer = await self._acceptor.accept(email, server.transport)
        return REPLIES[answer] if answer else f"250 Ok {email.id}"


def protocol_factory(endpoint: SmtpEndpoint) -> Callable[[], SMTP]:
    """Return what `loop.create_server` needs to serve the endpoint; call it in the running loop."""
    loop = asyncio.get_running_loop()
    # aiosmtpd warns about passwords without TLS on every connection. This is loopback, and the
    # password is no secret.
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    logging.getLogger("mail.log").setLevel(logging.ERROR)

    def protocol() -> SMTP:
        connection = SMTP(
            endpoint,
            data_size_limit=mail.MAX_SIZE,
            hostname="email-smtp.sandbox.localhost",
            ident="ESMTP RS Systems sandbox",
            auth_required=True,
            auth_require_tls=False,
            authenticator=endpoint.authenticate,
            loop=loop,
        )
        endpoint.connections.add(connection)
        return connection

    return protocol
