"""What is parked for a person's decision isn't tried again by itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0004_usage"),
    ]

    operations = [
        migrations.AddField(
            model_name="parked",
            name="by_person",
            field=models.BooleanField(default=False, verbose_name="判断待ち"),
        ),
    ]
