"""The application's models, by name: the sandbox imports nothing from the application."""

from typing import Any

from django.apps import apps

Contact: Any = apps.get_model("core", "Contact")
Notification: Any = apps.get_model("core", "Notification")
Suppression: Any = apps.get_model("core", "Suppression")

#: The application's names of its channels.
EMAIL, SMS = "email", "sms"
