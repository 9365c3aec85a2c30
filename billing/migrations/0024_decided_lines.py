"""Each line of a 返還 names the decision that it carries out, as one document may carry out several of a contract (D27)."""

import django.db.models.deletion
from django.db import migrations, models

from portal.db.schema import same_customer

# Documents that were fixed say so of all their lines; what they say, and all that is printed, stays as it is.
FILL = """
    ALTER TABLE billing_invoiceline DISABLE TRIGGER USER;
    UPDATE billing_invoiceline l SET decision_id = i.decision_id FROM billing_invoice i
        WHERE i.id = l.invoice_id AND i.customer_id = l.customer_id AND i.decision_id IS NOT NULL;
    ALTER TABLE billing_invoiceline ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0023_imported_returns")]

    operations = [
        migrations.AddField(
            model_name="invoiceline",
            name="decision",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="given_back_by",
                to="billing.decision",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(
            same_customer("billing_invoiceline", "decision_id", "billing_decision"), migrations.RunSQL.noop
        ),
        migrations.RemoveConstraint(model_name="invoice", name="decision_is_of_a_return"),
        migrations.RemoveField(model_name="invoice", name="decision"),
        migrations.AddIndex(
            model_name="invoiceline",
            index=models.Index(
                condition=models.Q(decision__isnull=False), fields=["decision"], name="lines_of_decision"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(decision=None) | models.Q(origin="return"), name="decision_is_of_a_return"
            ),
        ),
    ]
