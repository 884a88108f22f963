"""The points of an attempt at which a worker can be told to die."""

from enum import StrEnum

#: The variable that names the folder of the orders to die.
KILLS = "CHAOS_KILLS"


class Point(StrEnum):
    #: It is claimed, and nothing has been done about it.
    CLAIMED = "claimed"
    #: The line before the call is written, and nothing has left.
    CALLING = "calling"
    #: The provider has said that it took it.
    ACCEPTED = "accepted"
    #: The row and the line that record it are written, and not committed.
    RECORDING = "recording"


#: A worker that dies here leaves a message behind that the provider has and nobody knows of.
TAKEN = (Point.ACCEPTED, Point.RECORDING)
