"""People in the order of the search's page, for words that many of them have."""

from django.db import migrations, models

from portal.db.indexes import AddIndexBeside


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0014_bounced")]
    operations = [
        AddIndexBeside(model_name="user", index=models.Index(fields=["name", "id"], name="users_by_name")),
    ]
