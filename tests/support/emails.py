"""An e-mail for the providers, and a reply of SES to it."""

from apps.core.providers.base import Acceptance, EmailMessage, Provider

MESSAGE = EmailMessage(
    "jane@fleet.example",
    "Repair approved \u2013 unit 27",
    "Hello Jané\n.\n",
    "<p>Hello Jané</p>",
    tags={"delivery": "0f8fad5b-d9cb-469f-a165-70867728950e", "attempt": "2"},
)
NOT_VERIFIED = (
    "554 Message rejected: Email address is not verified. "
    "The following identities failed the check in"
)


def send(provider: Provider[EmailMessage], message: EmailMessage) -> Acceptance:
    """Encode the message and hand it to the provider."""
    return provider.send(provider.encode(message))
