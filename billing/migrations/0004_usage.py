"""Invoice lines for used quantities, each charge billed once."""

import django.db.models.deletion
from django.db import migrations, models

from portal.db.schema import same_customer

RULES = [
    same_customer("billing_invoiceline", "usage_charge_id", "orders_usagecharge"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_user_bounced"),
        ("billing", "0003_parked_tries"),
        ("contracts", "0003_usage"),
        ("orders", "0003_usage"),
    ]

    operations = [
        migrations.AddField(
            model_name="invoiceline",
            name="usage_charge",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoice_lines",
                to="orders.usagecharge",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.UniqueConstraint(
                condition=models.Q(("origin", "usage")), fields=("usage_charge",), name="usage_charge_billed_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("origin", "usage"), _negated=True),
                    models.Q(("contract__isnull", False), ("usage_charge__isnull", False)),
                    _connector="OR",
                ),
                name="invoice_line_names_usage",
            ),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
