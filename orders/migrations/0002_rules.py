"""Keys that carry the customer, and what the web may read of orders."""

from django.db import migrations

from portal.db.schema import policy, same_customer

RULES = [
    same_customer("orders_order", "contract_id", "contracts_contract"),
    same_customer("orders_order", "term_id", "contracts_term"),
    same_customer("orders_orderline", "order_id", "orders_order"),
    same_customer("orders_orderline", "contract_line_id", "contracts_contractline"),
    *[policy(f"orders_{table}") for table in ("order", "orderline")],
]


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial"), ("contracts", "0002_rules"), ("portal", "0002_rules")]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
