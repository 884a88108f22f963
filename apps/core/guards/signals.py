"""The engine's one signal. It stands apart, so that it can be connected before the apps load."""

from django.dispatch import Signal

#: A provider refused the whole account on `channel`. A receiver that has put new credentials in
#: place returns True, and the channel goes on with them.
channel_refused = Signal()
