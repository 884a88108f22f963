"""The points of an attempt at which a worker can be told to die, to stop or to end."""

from enum import StrEnum

#: The environment variable that names the folder of requests; a request is a file.
REQUEST_FOLDER = "CHAOS_REQUEST_FOLDER"
#: The request to stop (SIGSTOP) just before a call.
STOP = "stop"
#: The process that stops renames the request to this, its id and its worker's id, and writes the
#: delivery's id into it.
STOPPED = "stopped"
#: The request to say who has claimed several deliveries. The process renames it to this and its
#: worker's id, and writes the deliveries' ids into it.
CLAIM, HAS_CLAIMED = "claim", "has-claimed"


class KillPoint(StrEnum):
    #: After the claim, before anything else.
    CLAIMED = "claimed"
    #: After the "calling" log entries are committed, before the calls.
    CALLING = "calling"
    #: After the provider's acceptance, before it is recorded.
    ACCEPTED = "accepted"
    #: After several acceptances, before the transaction that records them as a group.
    GROUP = "group"
    #: After acceptances are written, before the commit.
    RECORDING = "recording"


#: A worker that dies here leaves a message that the provider has and no record shows.
AFTER_ACCEPTANCE = (KillPoint.ACCEPTED, KillPoint.GROUP, KillPoint.RECORDING)


class ThreadFault(StrEnum):
    """What a sender thread can be told to do inside the provider's `send`."""

    HANG_BEFORE = "hang-before-sending"
    HANG_AFTER = "hang-after-sending"
    #: Raise SystemExit.
    EXIT_BEFORE = "exit-before-sending"
    EXIT_AFTER = "exit-after-sending"
