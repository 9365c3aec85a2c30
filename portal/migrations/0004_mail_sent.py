"""Mails by when they were sent: the pace counts those of the last minute."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_user_bounced"),
        ("portal", "0003_history_detail"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(condition=models.Q(("sent_at__isnull", False)), fields=["sent_at"], name="mail_sent"),
        ),
    ]
