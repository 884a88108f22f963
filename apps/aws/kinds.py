"""The notification kind of round trips."""

from apps.core.message.kinds import Category, Context, NotificationKind, Text, register
from apps.core.states import Priority


class Loopback(Context):
    #: The recipient that AWS simulates, as in "bounce".
    simulates: Text
    #: The label of the run.
    run: Text


#: What `manage.py aws loopback` sends, to users without a password.
LOOPBACK = register(
    NotificationKind(
        "loopback",
        "Loopback",
        Category("loopback", "Round trips", is_fixed=True),
        Priority.MEDIUM,
        Loopback(simulates="bounce", run="3f9a1c"),
        # The command that sent it waits for its journey.
        is_never_held=True,
    )
)
