"""The office's kind of message."""

from apps.core.message.kinds import Category, Context, NotificationKind, Text, register
from apps.core.states import Priority

SYSTEM = Category("system", "Announcements")


class Announced(Context):
    title: Text
    text: str
    by: Text


ANNOUNCEMENT = register(
    NotificationKind(
        "announcement",
        "Announcement",
        SYSTEM,
        Priority.MEDIUM,
        Announced(
            title="We are closed on Thursday",
            text="Thursday is Thanksgiving. Call us if a windshield cannot wait.",
            by="Sam Whitaker",
        ),
    )
)
