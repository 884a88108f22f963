"""The points of an attempt at which a worker can be told to die, or to stop."""

from enum import StrEnum

#: The environment variable that names the folder of requests; a request is a file.
REQUEST_FOLDER = "CHAOS_REQUEST_FOLDER"
#: The request to stop (SIGSTOP) during the wait between the "calling" log entry and the call.
STOP = "stop"
#: The process that stops renames the request to this, its id and its worker's id.
STOPPED = "stopped"


class KillPoint(StrEnum):
    #: After the claim, before anything else.
    CLAIMED = "claimed"
    #: After the "calling" log entry is written, before the call.
    CALLING = "calling"
    #: After the provider's acceptance, before it is recorded.
    ACCEPTED = "accepted"
    #: After the acceptance is written, before the commit.
    RECORDING = "recording"


#: A worker that dies here leaves a message that the provider has and no record shows.
AFTER_ACCEPTANCE = (KillPoint.ACCEPTED, KillPoint.RECORDING)
