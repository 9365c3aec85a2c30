"""Where mails came back from; and a typed password takes waiting mails with another one back."""

from django.db import migrations, models

from portal.db.schema import grant


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_sessions_and_throttle"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="bounced",
            field=models.CharField(blank=True, editable=False, max_length=200, verbose_name="メール不達"),
        ),
        migrations.RunSQL(
            [grant("UPDATE (bounced)", "accounts_user"), grant("UPDATE (state, error)", "portal_mail")],
            migrations.RunSQL.noop,
        ),
    ]
