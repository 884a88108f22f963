"""The application's rows that the dev inbox shows, found by name: the sandbox imports no app."""

from typing import Any

from django.apps import apps

Contact: Any = apps.get_model("core", "Contact")
Notification: Any = apps.get_model("core", "Notification")
Suppression: Any = apps.get_model("core", "Suppression")

#: The values of the application's channels.
EMAIL, SMS = "email", "sms"
