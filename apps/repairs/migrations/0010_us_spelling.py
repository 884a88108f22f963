
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('repairs', '0003_undo_and_costs'),
    ]

    operations = [
        migrations.AlterField(
            model_name='fleetunit',
            name='plate',
            field=models.CharField(max_length=16, verbose_name='license plate'),
        ),
    ]
