"""Mails that can't be sent are counted on every page of staff's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0025_requests")]

    operations = [
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(condition=models.Q(("state", "failed")), fields=["created_at"], name="mail_failed"),
        ),
    ]
