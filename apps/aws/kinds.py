"""The kinds of the notification system itself; those of a business are in the app whose it is."""

from apps.core.message.kinds import Category, Context, NotificationKind, Text, register
from apps.core.states import Priority


class Loopback(Context):
    #: Which recipient AWS is to play, as in "bounce".
    simulates: Text
    #: The label by which the messages of one run are told from those of another.
    run: Text


#: What `manage.py aws loopback` sends. Its recipients are accounts that nobody can sign in to.
LOOPBACK = register(
    NotificationKind(
        "loopback",
        "Loopback",
        Category("system", "System"),
        Priority.MEDIUM,
        Loopback(simulates="bounce", run="3f9a1c"),
    )
)
