"""Count what messages cost, and let PostgreSQL refuse changes of the delivery log."""

from django.db import migrations, models

FUNCTION = """
CREATE FUNCTION core_delivery_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('rs.cleanup', true), '') = 'on' THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        -- The words of an erased person: nothing but the detail, and only to nothing.
        IF NEW.detail = '' AND (to_jsonb(NEW) - 'detail') = (to_jsonb(OLD) - 'detail') THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the delivery log is append-only: % of entry % refused', TG_OP, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER core_delivery_log_append_only
    BEFORE UPDATE OR DELETE ON core_notificationdeliverylog
    FOR EACH ROW EXECUTE FUNCTION core_delivery_log_is_append_only();
"""
NO_FUNCTION = """
DROP TRIGGER IF EXISTS core_delivery_log_append_only ON core_notificationdeliverylog;
DROP FUNCTION IF EXISTS core_delivery_log_is_append_only();
"""


def _on_postgresql(sql):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, params=None)

    return run


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0060_alarms_and_figures'),
    ]

    operations = [
        migrations.AddField(
            model_name='delivery',
            name='parts',
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.CreateModel(
            name='CostTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('channel', models.CharField(choices=[('email', 'E-mail'), ('sms', 'Text message')], max_length=8)),
                ('kind', models.CharField(max_length=64)),
                ('group', models.CharField(blank=True, max_length=64)),
                ('country', models.CharField(blank=True, max_length=2)),
                ('messages', models.PositiveBigIntegerField(default=0)),
                ('parts', models.PositiveBigIntegerField(default=0)),
                ('usd', models.DecimalField(decimal_places=5, default=0, max_digits=14)),
            ],
            options={
                'verbose_name_plural': 'cost tallies',
                'constraints': [models.UniqueConstraint(fields=('day', 'channel', 'kind', 'group', 'country'), name='one_cost_tally')],
            },
        ),
        migrations.RunPython(_on_postgresql(FUNCTION), _on_postgresql(NO_FUNCTION)),
    ]
