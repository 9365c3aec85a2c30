"""Users whom mails don't reach are counted on staff's start page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_numbers_gone")]

    operations = [
        migrations.AddIndex(
            "user", models.Index(fields=["customer"], condition=~models.Q(bounced=""), name="users_bounced")
        ),
    ]
