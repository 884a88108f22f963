from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0007_convert_sentences'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='providerevent',
            name='permanent',
        ),
        migrations.AddConstraint(
            model_name='notificationdeliverylog',
            constraint=models.CheckConstraint(condition=models.Q(('event__in', ['skipped', 'calling', 'not_called', 'accepted', 'delayed', 'delivered', 'bounced', 'complained', 'transient', 'permanent', 'ambiguous', 'lost_before_call', 'lost_after_call', 'resend', 'left', 'fallback'])), name='delivery_log_event_known'),
        ),
        migrations.AddConstraint(
            model_name='notificationdeliverylog',
            constraint=models.CheckConstraint(condition=models.Q(('source__in', ['notify', 'worker', 'event', 'sweep', 'person'])), name='delivery_log_source_known'),
        ),
        migrations.AddConstraint(
            model_name='providerevent',
            constraint=models.CheckConstraint(condition=models.Q(('cause__in', ['', 'address', 'temporary', 'own_list', 'opted_out'])), name='provider_event_cause_known'),
        ),
    ]
