"""How often a parked customer was tried, and when last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_rules"),
    ]

    operations = [
        migrations.AddField(
            model_name="parked",
            name="tried_at",
            field=models.DateTimeField(auto_now=True, verbose_name="最終試行"),
        ),
        migrations.AddField(
            model_name="parked",
            name="tries",
            field=models.PositiveSmallIntegerField(default=1, verbose_name="試行回数"),
        ),
    ]
