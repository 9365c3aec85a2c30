"""People in the order of the search's page, for words that many of them have."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0014_bounced")]
    operations = [
        AddIndexConcurrently(model_name="user", index=models.Index(fields=["name", "id"], name="users_by_name")),
    ]
