"""The office's kind of message."""

from django.utils.translation import gettext_noop

from apps.core.message.kinds import Category, Context, NotificationKind, Text, register
from apps.core.states import Priority

SYSTEM = Category("system", gettext_noop("Announcements"))


class Announced(Context):
    title: Text
    text: str
    by: Text


ANNOUNCEMENT = register(
    NotificationKind(
        "announcement",
        gettext_noop("Announcement"),
        SYSTEM,
        Priority.MEDIUM,
        Announced(
            title="We are closed on Thursday",
            text="Thursday is Thanksgiving. Call us if a windshield cannot wait.",
            by="Sam Whitaker",
        ),
    )
)
