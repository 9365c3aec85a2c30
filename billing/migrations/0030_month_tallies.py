"""What staff's board counted of a closed month, and the index by which it finds what was downloaded since."""

from django.db import migrations, models


class Migration(migrations.Migration):
    harmless = {"index": "About a second a million downloads; whoever downloads meanwhile waits that long."}
    dependencies = [("billing", "0029_check_things")]

    operations = [
        migrations.CreateModel(
            "MonthTally",
            [
                ("month", models.DateField(primary_key=True, serialize=False, verbose_name="対象年月")),
                ("until", models.DateTimeField(verbose_name="日時")),
                ("opened", models.PositiveIntegerField()),
                ("documents", models.PositiveIntegerField(null=True)),
                ("ended", models.PositiveIntegerField(null=True)),
                ("invoices", models.PositiveIntegerField(null=True)),
                ("total", models.BigIntegerField(null=True)),
            ],
            {"verbose_name": "集計", "verbose_name_plural": "集計", "default_permissions": ()},
        ),
        migrations.AddIndex("download", models.Index(fields=["at"], name="downloads_by_time")),
    ]
