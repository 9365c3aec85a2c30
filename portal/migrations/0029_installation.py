"""Where this database belongs. No program of the web's role has to do with it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0028_deletions")]
    operations = [
        migrations.CreateModel(
            name="Installation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mark", models.JSONField()),
                ("marked_at", models.DateTimeField(auto_now=True)),
                ("backed_up_at", models.DateTimeField(null=True)),
            ],
        )
    ]
