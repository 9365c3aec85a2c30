"""Staff's start page counts the orders of a month."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0005_export_kind")]

    operations = [
        migrations.AddIndex("order", models.Index(fields=["month", "kind"], name="orders_of_month")),
    ]
