"""Indexes by which staff's search finds a contract's name and 発注番号."""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models

from portal.models.functions import SearchGrams


class Migration(migrations.Migration):
    dependencies = [("contracts", "0009_purchase_order"), ("portal", "0022_searching")]
    operations = [
        migrations.AddIndex("contract", GinIndex(SearchGrams("search"), name="contracts_sought")),
        migrations.AddIndex(
            "contract",
            models.Index(
                condition=~models.Q(purchase_order=""),
                fields=["purchase_order"],
                name="contracts_ordered",
                opclasses=["varchar_pattern_ops"],
            ),
        ),
    ]
