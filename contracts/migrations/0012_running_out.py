"""The index by which staff's start page finds contracts that end without anybody's doing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    harmless = {"index": "Only contracts that run out are in it, and the table is read once."}
    dependencies = [("contracts", "0011_numbers_stay")]

    operations = [
        migrations.AddIndex(
            "contract",
            models.Index(
                fields=["id"],
                condition=models.Q(auto_renew=False, cancel_on=None, withdrawn_on=None) & ~models.Q(form="once"),
                name="contracts_that_run_out",
            ),
        ),
    ]
