from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0005_contact_wants_email'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='notificationdeliverylog',
            name='delivery_log_event_known',
        ),
        migrations.AddField(
            model_name='notificationdeliverylog',
            name='source',
            field=models.CharField(choices=[('notify', 'notify()'), ('worker', 'a worker'), ('event', "the provider's event"), ('sweep', 'the policy'), ('person', 'a person')], db_default='worker', default='worker', max_length=8),
        ),
        migrations.AddField(
            model_name='providerevent',
            name='cause',
            field=models.CharField(blank=True, choices=[('', '-'), ('address', 'the address does not work'), ('temporary', 'it failed for now'), ('own_list', "on the provider's suppression list"), ('opted_out', 'the owner opted out')], db_default='', default='', max_length=12),
        ),
        migrations.AddField(
            model_name='providerevent',
            name='is_simulated',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='notificationdeliverylog',
            name='event',
            field=models.CharField(choices=[('skipped', 'Skipped'), ('calling', 'Calling the provider'), ('not_called', 'Call not made'), ('accepted', 'Accepted by the provider'), ('delayed', 'Delivery is delayed'), ('delivered', 'Delivered'), ('bounced', 'Bounced'), ('complained', 'Complained about'), ('transient', 'Refused for now'), ('permanent', 'Refused for good'), ('ambiguous', 'No answer'), ('lost_before_call', 'Worker lost before the call'), ('lost_after_call', 'Worker lost after the call began'), ('resend', 'To be sent again'), ('left', 'Left for a person'), ('fallback', 'Handed to another channel')], max_length=16),
        ),
    ]
