"""The office's part of the admin."""

from .. import rules
from . import channels, contacts, messages, suppressions

__all__ = ["channels", "contacts", "messages", "rules", "suppressions"]
