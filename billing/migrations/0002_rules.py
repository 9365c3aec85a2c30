"""Keys that carry the customer, what the web may do, and the freeze: a fixed document never changes (D6).

Once a document is fixed only its state may move on, and nothing it consists of can be added, changed or taken away, by
the owner of the tables neither. The guards of lines and tax totals work on whole statements and lock the documents they
look at: without the lock one transaction could add a line while another one fixes the document.
"""

from django.db import migrations

from portal.db.schema import grant, policy, same_customer


def guard(table):
    """Statement triggers, one an event, because PostgreSQL gives transition tables to single events only."""
    triggers = [
        f"""
        CREATE TRIGGER frozen_{event.lower()} AFTER {event} ON {table} {tables}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_parts_of_fixed_{kind}();
        """
        for event, tables, kind in [
            ("INSERT", "REFERENCING NEW TABLE AS rows", "one"),
            ("DELETE", "REFERENCING OLD TABLE AS rows", "one"),
            ("UPDATE", "REFERENCING OLD TABLE AS rows NEW TABLE AS new_rows", "two"),
        ]
    ]
    return "".join(triggers) + refuse("TRUNCATE", table)


def refuse(events, table):
    level = "STATEMENT" if events == "TRUNCATE" else "ROW"
    name = "frozen_all" if events == "TRUNCATE" else "frozen"
    return f"CREATE TRIGGER {name} BEFORE {events} ON {table} FOR EACH {level} EXECUTE FUNCTION refuse_change();"


def parts_of_fixed(kind, touched):
    return f"""
    -- Planned anew each time: a plan made when the tables were empty takes minutes once they are full.
    CREATE FUNCTION refuse_parts_of_fixed_{kind}() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_custom_plan AS $$
    DECLARE fixed bigint;
    BEGIN
        SELECT min(i.id) FILTER (WHERE i.state <> 'draft') INTO fixed FROM (
            SELECT id, state FROM billing_invoice WHERE id IN ({touched}) FOR SHARE
        ) i;
        IF fixed IS NOT NULL THEN
            RAISE EXCEPTION 'invoice % is fixed: % of % refused', fixed, TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fixed_invoices_are_frozen';
        END IF;
        RETURN NULL;
    END $$;
    """


FROZEN = """
    CREATE FUNCTION refuse_change_of_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'UPDATE' AND OLD.state = 'fixed' AND NEW.state IN ('replaced', 'void')
            AND to_jsonb(NEW) - 'state' = to_jsonb(OLD) - 'state' THEN RETURN NEW; END IF;
        RAISE EXCEPTION 'invoice % is %: % refused', coalesce(OLD.number, NEW.number), coalesce(OLD.state, NEW.state), TG_OP
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fixed_invoices_are_frozen';
    END $$;
    CREATE TRIGGER frozen_insert BEFORE INSERT ON billing_invoice
        FOR EACH ROW WHEN (NEW.state <> 'draft') EXECUTE FUNCTION refuse_change_of_fixed();
    CREATE TRIGGER frozen_update BEFORE UPDATE ON billing_invoice
        FOR EACH ROW WHEN (OLD.state <> 'draft' OR NEW.state NOT IN ('draft', 'fixed'))
        EXECUTE FUNCTION refuse_change_of_fixed();
    CREATE TRIGGER frozen_delete BEFORE DELETE ON billing_invoice
        FOR EACH ROW WHEN (OLD.state <> 'draft') EXECUTE FUNCTION refuse_change_of_fixed();
    CREATE FUNCTION refuse_pdf_of_draft() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT state FROM billing_invoice WHERE id = NEW.invoice_id FOR SHARE) = 'draft' THEN
            RAISE EXCEPTION 'invoice % is not fixed: no PDF', NEW.invoice_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'drafts_have_no_pdf';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER only_of_fixed BEFORE INSERT ON billing_invoicepdf
        FOR EACH ROW EXECUTE FUNCTION refuse_pdf_of_draft();
"""

RULES = [
    *[
        same_customer(f"billing_{table}", column, parent)
        for table, column, parent in [
            ("invoice", "corrects_id", "billing_invoice"),
            ("invoiceline", "invoice_id", "billing_invoice"),
            ("invoiceline", "contract_id", "contracts_contract"),
            ("invoiceline", "order_id", "orders_order"),
            ("invoiceline", "order_line_id", "orders_orderline"),
            ("invoiceline", "replaces_id", "billing_invoiceline"),
            ("taxtotal", "invoice_id", "billing_invoice"),
            ("invoicepdf", "invoice_id", "billing_invoice"),
            ("rendering", "invoice_id", "billing_invoice"),
            ("download", "invoice_id", "billing_invoice"),
            ("download", "user_id", "accounts_user"),
        ]
    ],
    *[policy(f"billing_{table}") for table in ("invoice", "invoiceline", "taxtotal", "invoicepdf", "download")],
    *[f"ALTER TABLE billing_{table} ENABLE ROW LEVEL SECURITY;" for table in ("rendering", "parked")],
    grant("INSERT", "billing_download"),
    parts_of_fixed("one", "SELECT invoice_id FROM rows"),
    parts_of_fixed("two", "SELECT invoice_id FROM rows UNION SELECT invoice_id FROM new_rows"),
    FROZEN,
    refuse("TRUNCATE", "billing_invoice"),
    guard("billing_invoiceline"),
    guard("billing_taxtotal"),
    refuse("UPDATE OR DELETE", "billing_invoicepdf"),
    refuse("TRUNCATE", "billing_invoicepdf"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_initial"),
        ("accounts", "0002_rules"),
        ("contracts", "0002_rules"),
        ("orders", "0002_rules"),
    ]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
