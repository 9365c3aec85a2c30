"""What tells of a fixed document stays as it is too: finished runs, billed quantities and their files, downloads."""

from django.db import migrations

from portal.db.schema import SEARCH_PATH


def only_added(table, when=""):
    """A guard of the rows of which `when` (SQL over OLD, all if none) holds."""
    return f"""
        CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {when} EXECUTE FUNCTION refuse_change();
        CREATE TRIGGER only_added_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """


RULES = [
    only_added("billing_download"),
    only_added("orders_usagefile"),
    only_added("billing_monthrun", "WHEN (OLD.finished_at IS NOT NULL)"),
    f"""
    CREATE FUNCTION refuse_change_of_billed_usage() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$ BEGIN
        IF EXISTS (
            SELECT FROM orders_usagecharge c
            JOIN billing_invoiceline l ON l.usage_charge_id = c.id AND l.customer_id = c.customer_id
            JOIN billing_invoice i ON i.id = l.invoice_id AND i.customer_id = l.customer_id
            WHERE c.usage_id = OLD.id AND c.customer_id = OLD.customer_id AND i.state <> 'draft'
        ) THEN
            RAISE EXCEPTION 'usage % is billed', OLD.id USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE TRIGGER billed_stays BEFORE UPDATE OR DELETE ON orders_usage
        FOR EACH ROW EXECUTE FUNCTION refuse_change_of_billed_usage();
    CREATE TRIGGER billed_stays_all BEFORE TRUNCATE ON orders_usage FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """,
]


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0018_purchase_order"),
        ("orders", "0005_export_kind"),
    ]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
