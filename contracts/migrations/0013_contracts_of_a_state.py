"""The indexes by which staff's list finds the contracts of a form or a state."""

from django.db import migrations, models

from portal.db.indexes import AddIndexBeside

RENEWS = models.Q(auto_renew=True) & ~models.Q(form="once")
INDEXES = [
    models.Index(fields=["form", "id"], name="contracts_of_form"),
    models.Index(fields=["start_on"], condition=models.Q(withdrawn_on=None), name="contracts_by_start"),
    models.Index(fields=["cancel_on"], condition=models.Q(cancel_on__isnull=False), name="contracts_by_end"),
    models.Index(fields=["id"], condition=~RENEWS, name="contracts_without_renewal"),
    models.Index(fields=["id"], condition=models.Q(withdrawn_on__isnull=False), name="contracts_withdrawn"),
]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("contracts", "0012_running_out")]
    operations = [AddIndexBeside("contract", each) for each in INDEXES]
