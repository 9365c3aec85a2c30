from django.db import migrations

from portal.db.schema import own_business


class Migration(migrations.Migration):
    dependencies = [("billing", "0024_decided_lines"), ("portal", "0023_see_as")]

    operations = [migrations.RunSQL(own_business("billing_review"), migrations.RunSQL.noop)]
