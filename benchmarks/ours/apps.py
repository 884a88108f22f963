from django.apps import AppConfig


class OursConfig(AppConfig):
    name = "benchmarks.ours"
    label = "measured"

    def ready(self) -> None:
        from apps.core.message import kinds
        from apps.core.states import Priority

        from ..message import CONTEXT, KIND

        class Measured(kinds.Context):
            number: kinds.Text
            company: kinds.Text
            unit: kinds.Text
            vehicle: kinds.Text
            damage: kinds.Text
            position: kinds.Text
            estimate: kinds.Text
            approved_by: kinds.Text
            note: kinds.Text

        kinds.register(
            kinds.NotificationKind(
                name=KIND,
                label="Measured",
                category=kinds.Category("measured", "Measured"),
                priority=Priority.MEDIUM,
                sample=Measured(**CONTEXT),
            )
        )
