import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def wait_for_large_tables(apps, schema_editor):
    """Let an index of a large table take longer than the limit of a statement."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL statement_timeout = 0")


class Migration(migrations.Migration):

    dependencies = [
        ('contenttypes', '0002_remove_content_type_name'),
        ('core', '0010_canonical_addresses'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(wait_for_large_tables, migrations.RunPython.noop),
        migrations.RemoveIndex(
            model_name='delivery',
            name='delivery_newest',
        ),
        migrations.RemoveIndex(
            model_name='delivery',
            name='delivery_due',
        ),
        migrations.RemoveIndex(
            model_name='notification',
            name='notification_newest',
        ),
        migrations.RemoveIndex(
            model_name='notification',
            name='notification_inbox',
        ),
        migrations.RemoveIndex(
            model_name='notification',
            name='notification_unread',
        ),
        migrations.RemoveIndex(
            model_name='notificationdeliverylog',
            name='delivery_log_ended',
        ),
        migrations.AlterField(
            model_name='delivery',
            name='notification',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='core.notification'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='about_type',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to='contenttypes.contenttype'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='recipient',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='notificationdeliverylog',
            name='delivery',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='log', to='core.delivery'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['-created_at', '-id'], name='delivery_newest'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['state', '-created_at', '-id'], name='delivery_state'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('finished_at__isnull', False)), fields=['finished_at', 'id'], name='delivery_finished'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('cost_month__isnull', False)), fields=['cost_month', 'cost_usd'], name='delivery_cost'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'due')), fields=['channel', 'priority', 'next_attempt_at'], name='delivery_due'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(fields=['-created_at', '-id'], name='notification_newest'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(fields=['kind', '-created_at', '-id'], name='notification_kind'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(fields=['recipient', '-visible_from', '-id'], name='notification_inbox'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('read_at', None)), fields=['recipient', '-visible_from'], name='notification_unread'),
        ),
        migrations.AddIndex(
            model_name='notificationdeliverylog',
            index=models.Index(condition=models.Q(('event__in', ('calling', 'accepted', 'transient', 'permanent', 'ambiguous'))), fields=['at'], name='delivery_log_calls'),
        ),
    ]
