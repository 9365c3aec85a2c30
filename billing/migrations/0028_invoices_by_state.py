"""Staff's board counts the invoices of a month by kind and state, from the index alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0027_list_indexes")]

    operations = [
        migrations.AddIndex("invoice", models.Index(fields=["month", "kind", "state"], name="invoices_by_state")),
    ]
