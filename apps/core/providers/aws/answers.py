"""Read what AWS answers to a message that it accepted."""

from collections.abc import Mapping
from typing import Any

from apps.core.exceptions import AmbiguousError


def message_id(answer: Mapping[str, Any]) -> str:
    """Return the message's ID; raise AmbiguousError if a success does not name one.

    A proxy may answer in the place of AWS, before or after AWS has the message.
    """
    found = answer.get("MessageId")
    if not isinstance(found, str) or not found:
        raise AmbiguousError("the answer has no message ID", code="no-message-id")
    return found
