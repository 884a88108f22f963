"""SES's SMTP endpoint, without TLS."""

import asyncio
import logging
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, NamedTuple, Never
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import Field

from sandbox.acceptor import Acceptor, wait_for_cancellation
from sandbox.faults.rule import Answer, Seconds, answer_only
from sandbox.faults.rules import Rules
from sandbox.json_input import Strict
from sandbox.ses import mail

#: SES's wording: https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html
REPLIES: Mapping[Answer, str] = {
    "throttle": "454 Throttling failure: Maximum sending rate exceeded.",
    "transient": "451 Temporary service failure",
    "permanent": "554 Message rejected: Address is on a blocked list",
    "quota": "454 Throttling failure: Daily message quota exceeded.",
    "paused": "554 Message rejected: Email sending is disabled: account sending paused",
}
#: Replies to DATA that no SMTP client expects of SES.
BROKEN_REPLIES: Mapping[Answer, bytes] = {
    # What a TLS server says to a client that does not speak TLS.
    "garbage": b"\x15\x03\x01\x00\x02\x02\x16",
    "empty": b"",
    "html": b"<!DOCTYPE html><title>502 Bad Gateway</title>",
    # RFC 5321, section 3.4: the recipient has moved.
    "redirect": b"551 User not local; please try <elsewhere@moved.example>",
}
WRONG_CREDENTIALS = "535 Authentication Credentials Invalid"
NO_CREDENTIALS = "530 Authentication required"


class Credentials(NamedTuple):
    """The one user and password that the endpoint accepts."""

    user: str
    password: str


class Habits(Strict):
    """How the server differs from SES. A change applies to new connections."""

    #: False: neither AUTH nor STARTTLS is offered, and no login is needed.
    auth: bool = True
    closes_after_message: bool = False
    #: The length to which the reply to DATA is padded, in octets; 0: as SES.
    reply_length: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    #: Seconds between the octets of every reply; 0: all at once.
    drip_s: Seconds = 0.0


class SmtpEndpoint:
    """Answers the SMTP commands of every connection."""

    def __init__(
        self, acceptor: Acceptor, rules: Rules, credentials: Credentials, habits: Habits
    ) -> None:
        self.habits = habits
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
    ) -> str | bytes:
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from is not None
        try:
            email = mail.accept(
                envelope.content, envelope.mail_from, envelope.rcpt_tos, datetime.now(UTC)
            )
        except mail.MessageRefused as refused:
            return f"554 Transaction failed: {refused}"
        answer = await self._acceptor.accept(email, server.transport)
        assert isinstance(server, Connection)
        # SES's reply, or the same with dots behind it.
        reply = f"250 Ok {email.id} ".ljust(server.habits.reply_length, ".").rstrip()
        if answer is None:
            return reply
        if answer_only(answer) == "cut":
            return await _cut(reply, server.transport)
        return REPLIES.get(answer_only(answer)) or BROKEN_REPLIES[answer_only(answer)]


async def _cut(reply: str, transport: asyncio.BaseTransport | None) -> Never:
    """Send the first half of a reply and close the connection."""
    assert isinstance(transport, asyncio.Transport)
    transport.write(reply[: len(reply) // 2].encode())
    transport.close()
    await wait_for_cancellation()


class Connection(SMTP):
    """One connection, with the habits that the server had at its beginning."""

    def __init__(self, endpoint: SmtpEndpoint, loop: asyncio.AbstractEventLoop) -> None:
        self.habits = endpoint.habits
        super().__init__(
            endpoint,
            data_size_limit=mail.MAX_SIZE,
            hostname="email-smtp.sandbox.localhost",
            ident="ESMTP RS Systems sandbox",
            auth_required=self.habits.auth,
            # There is no TLS, so requiring it hides AUTH from the reply to EHLO.
            auth_require_tls=not self.habits.auth,
            authenticator=endpoint.authenticate,
            loop=loop,
        )

    async def push(self, status: str | bytes) -> None:
        """Send one line of a reply."""
        line = status.encode() if isinstance(status, str) else status
        if not self.habits.drip_s:
            return await super().push(line)
        for octet in line + b"\r\n":
            self._writer.write(bytes([octet]))
            await self._writer.drain()
            await asyncio.sleep(self.habits.drip_s)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd looks it up by name
        """Receive a message and reply to it."""
        await super().smtp_DATA(arg)
        if self.habits.closes_after_message and self.transport:
            self.transport.close()


def protocol_factory(endpoint: SmtpEndpoint) -> Callable[[], SMTP]:
    """Return what `loop.create_server` needs to serve the endpoint; call it in the running loop."""
    loop = asyncio.get_running_loop()
    # aiosmtpd warns about passwords without TLS on every connection. This is loopback, and the
    # password is no secret.
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    logging.getLogger("mail.log").setLevel(logging.ERROR)

    def protocol() -> SMTP:
        connection = Connection(endpoint, loop)
        endpoint.connections.add(connection)
        return connection

    return protocol
