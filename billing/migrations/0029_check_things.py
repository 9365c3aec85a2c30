"""点検 keeps the first things of each finding for its page, who asked, and why it couldn't be ended."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    harmless = {"index": "A few rows a day."}
    dependencies = [("billing", "0028_month_checks"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.AddField("MonthCheck", "things", models.JSONField(null=True, verbose_name="見つかったもの")),
        migrations.AddField(
            "MonthCheck",
            "fault",
            models.TextField(blank=True, db_default="", default="", verbose_name="終わらなかった理由"),
        ),
        migrations.AddField(
            "MonthCheck",
            "by",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="依頼した人",
            ),
        ),
    ]
