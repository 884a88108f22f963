from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "sandbox.inbox"
    label = "sandbox_inbox"
    verbose_name = "Sandbox inbox"
