from typing import Any

from django.db import migrations

EVENT_SENTENCE = "the provider's report"
AFTER_CALL = "after the call had begun"
BEFORE_CALL = "before the call"
BY_POLICY = "no word from the provider; it may arrive twice"
LEFT = "no word from the provider"
BY_WORD = "by the word of "


def convert(apps: Any, schema_editor: Any) -> None:
    """Say by columns what earlier versions said by sentences."""
    log = apps.get_model("core", "NotificationDeliveryLog").objects
    log.filter(event="skipped", attempt=0).update(source="notify")
    # Only an event's entry has both the provider and a detail.
    log.filter(event__in=EVENTS).exclude(provider="").exclude(detail="").update(source="event")
    log.filter(detail=EVENT_SENTENCE).update(detail="")
    lost = log.filter(event="lease_expired")
    lost.filter(detail=AFTER_CALL).update(event="lost_after_call", source="sweep", detail="")
    lost.update(event="lost_before_call", source="sweep")
    log.filter(event="lost_before_call", detail=BEFORE_CALL).update(detail="")
    resent = log.filter(event="resend")
    resent.exclude(detail=BY_POLICY).update(source="person")
    resent.filter(detail=BY_POLICY).update(source="sweep", detail="")
    log.filter(event="left").update(source="sweep", detail="")
    log.filter(event="accepted", detail__startswith=BY_WORD).update(source="person")
    events = apps.get_model("core", "ProviderEvent").objects
    events.filter(recipient__endswith="@simulator.amazonses.com").update(is_simulated=True)
    events.filter(code__contains="SuppressionList").update(cause="own_list")
    events.filter(code__endswith=" Suppressed").update(cause="own_list")
    bounced = events.filter(kind="bounced", cause="")
    bounced.filter(permanent=False).update(cause="temporary")
    bounced.filter(provider="sns", detail__icontains="opted out").update(cause="opted_out")
    bounced.update(cause="address")


def revert(apps: Any, schema_editor: Any) -> None:
    log = apps.get_model("core", "NotificationDeliveryLog").objects
    log.filter(source="event", detail="").update(detail=EVENT_SENTENCE)
    log.filter(event="lost_after_call").update(event="lease_expired", detail=AFTER_CALL)
    log.filter(event="lost_before_call").update(event="lease_expired", detail=BEFORE_CALL)
    log.filter(event="resend", source="sweep").update(detail=BY_POLICY)
    log.filter(event="left").update(detail=LEFT)
    log.filter(event="not_called").delete()
    events = apps.get_model("core", "ProviderEvent").objects
    lasting = ["address", "own_list", "opted_out"]
    events.filter(kind="bounced", cause__in=lasting).update(permanent=True)


#: The log's events that a provider's event may have written.
EVENTS = ["accepted", "delayed", "delivered", "bounced", "complained", "permanent"]


class Migration(migrations.Migration):
    # By itself: PostgreSQL alters no table in the transaction that has written to it.

    dependencies = [
        ('core', '0006_codes_beside_sentences'),
    ]

    operations = [
        migrations.RunPython(convert, revert),
    ]
