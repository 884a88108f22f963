from django.db import migrations
from django.db.models.functions import Now

import apps.core.models.fields
from apps.core.addresses import canonical

CHUNK = 1000


def convert(apps, schema_editor):
    """Bring the stored addresses into the canonical form."""
    merge_suppressions(apps.get_model("core", "Suppression"))
    for name, columns in (
        ("Contact", ["email", "verified_email"]),
        ("ProviderEvent", ["recipient"]),
    ):
        changed = []
        model = apps.get_model("core", name)
        for row in model.objects.only(*columns).iterator(CHUNK):
            if any(getattr(row, column) != canonical(getattr(row, column)) for column in columns):
                # Saving converts.
                changed.append(row)
        model.objects.bulk_update(changed, columns, batch_size=CHUNK)


def merge_suppressions(model):
    """Convert suppressions; of several of one address in force, the longest stays."""
    standing = {}
    longest_first = sorted(
        model.objects.order_by("pk"),
        key=lambda row: (row.until is not None, -row.until.timestamp() if row.until else 0),
    )
    for row in longest_first:
        address = canonical(row.address)
        key = row.channel, address
        if row.lifted_at is None and key in standing:
            model.objects.filter(pk=row.pk).update(
                lifted_at=Now(), lifted_by="merged: another spelling"
            )
        elif row.lifted_at is None:
            standing[key] = row.pk
    for row in model.objects.iterator(CHUNK):
        if row.address != canonical(row.address):
            model.objects.filter(pk=row.pk).update(address=row.address)


class Migration(migrations.Migration):

    dependencies = [
        ("core", "0009_set_aside_and_replies"),
    ]

    operations = [
        migrations.AlterField(
            model_name="contact",
            name="email",
            field=apps.core.models.fields.CanonicalEmailField(blank=True, max_length=254, verbose_name="e-mail address"),
        ),
        migrations.AlterField(
            model_name="contact",
            name="verified_email",
            field=apps.core.models.fields.CanonicalEmailField(blank=True, editable=False, max_length=254),
        ),
        migrations.AlterField(
            model_name="suppression",
            name="address",
            field=apps.core.models.fields.AddressField(max_length=320),
        ),
        migrations.AlterField(
            model_name="providerevent",
            name="recipient",
            field=apps.core.models.fields.AddressField(blank=True, max_length=320),
        ),
        migrations.RunPython(convert, migrations.RunPython.noop),
    ]
