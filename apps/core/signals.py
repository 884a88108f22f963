"""What the notification system tells of itself, for those who know more than it does."""

from django.dispatch import Signal

#: A provider refuses the whole account on `channel`. A receiver that has put new credentials in
#: place returns True, and the channel goes on with them.
channel_refused = Signal()
