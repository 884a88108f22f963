"""The engine's one signal, in a module that can be imported before the apps load."""

from django.dispatch import Signal

#: A provider refused the whole account on `channel`. A receiver returns True if it has put new
#: credentials in place; the channel then goes on.
channel_refused = Signal()
