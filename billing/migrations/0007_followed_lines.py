"""A draft's line goes with the order line that it shows; a fixed document's guard refuses that."""

from django.db import migrations

RULES = """
    ALTER TABLE billing_invoiceline DROP CONSTRAINT billing_invoiceline_order_line_id_own;
    ALTER TABLE billing_invoiceline ADD CONSTRAINT billing_invoiceline_order_line_id_own
        FOREIGN KEY (customer_id, order_line_id) REFERENCES orders_orderline (customer_id, id)
        ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_frozen_orders"), ("orders", "0004_follow")]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
