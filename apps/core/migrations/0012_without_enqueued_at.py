from django.db import migrations


class Migration(migrations.Migration):
    """Wake-ups name a pool of deliveries, so a delivery no longer has one of its own."""

    dependencies = [("core", "0011_indexes_that_scale")]

    operations = [migrations.RemoveField(model_name="delivery", name="enqueued_at")]
