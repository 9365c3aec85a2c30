"""Keys that carry the customer, and what the web may read of contracts."""

from django.db import migrations

from portal.db.schema import grant, policy, same_customer

RULES = [
    grant("SELECT", "contracts_service"),
    same_customer("contracts_contractline", "contract_id", "contracts_contract"),
    same_customer("contracts_term", "contract_id", "contracts_contract"),
    *[policy(f"contracts_{table}") for table in ("contract", "contractline", "term")],
]


class Migration(migrations.Migration):
    dependencies = [("contracts", "0001_initial"), ("portal", "0002_rules")]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
