"""Corrections are only ever added; a line stands for one of a document in the right state, and returns give back what there is."""

from django.db import migrations

from portal.db.schema import SEARCH_PATH, policy, same_customer

# The line that is named stays locked, so that two returns of it can't get past each other.
REPLACED = f"""
    CREATE FUNCTION check_replaced_line() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$
    DECLARE given bigint; line billing_invoiceline%ROWTYPE; state text;
    BEGIN
        SELECT * INTO line FROM billing_invoiceline WHERE id = NEW.replaces_id AND customer_id = NEW.customer_id FOR UPDATE;
        SELECT i.state INTO state FROM billing_invoice i WHERE i.id = line.invoice_id;
        IF state IS DISTINCT FROM (CASE NEW.origin WHEN 'correction' THEN 'replaced' WHEN 'rebill' THEN 'void' ELSE 'fixed' END) THEN
            RAISE EXCEPTION 'line % stands for one of a document that is %', NEW.id, coalesce(state, 'unknown')
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lines_replace_what_is_replaced';
        END IF;
        IF NEW.root_id <> coalesce(line.root_id, line.id) THEN
            RAISE EXCEPTION 'line % names another root than line %', NEW.id, line.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lines_replace_what_is_replaced';
        END IF;
        IF NEW.origin = 'return' THEN
            SELECT coalesce(sum(l.amount), 0) INTO given FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
            WHERE l.replaces_id = line.id AND l.origin = 'return' AND i.state IN ('draft', 'fixed');
            IF sign(NEW.amount) * sign(line.amount) >= 0 OR abs(given) > abs(line.amount) OR sign(given) * sign(line.amount) > 0
                OR (line.tax_kind, line.tax_rate, line.price_basis)
                    IS DISTINCT FROM (NEW.tax_kind, NEW.tax_rate, NEW.price_basis) THEN
                RAISE EXCEPTION 'line % returns what line % does not charge', NEW.id, line.id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_give_back_what_was_charged';
            END IF;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER replaces_line AFTER INSERT OR UPDATE OF replaces_id, root_id, origin, amount ON billing_invoiceline
        FOR EACH ROW WHEN (NEW.replaces_id IS NOT NULL) EXECUTE FUNCTION check_replaced_line();
"""

# 差替済 is what a 修正 names, and nothing else; asked when the transaction ends, for the old document goes first.
REPLACED_BY_ONE = f"""
    CREATE FUNCTION check_replaced_invoice() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$ BEGIN
        IF NOT EXISTS (SELECT FROM billing_invoice WHERE corrects_id = NEW.id AND kind = 'correction' AND state <> 'draft') THEN
            RAISE EXCEPTION 'nothing replaces invoice %', NEW.number
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'replaced_by_a_correction';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER replaced_by_a_correction AFTER UPDATE ON billing_invoice DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.state = 'replaced' AND OLD.state <> 'replaced') EXECUTE FUNCTION check_replaced_invoice();
"""

RULES = [
    same_customer("billing_correction", "invoice_id", "billing_invoice"),
    same_customer("billing_correction", "made_id", "billing_invoice"),
    same_customer("billing_invoice", "decision_id", "billing_decision"),
    same_customer("billing_invoiceline", "root_id", "billing_invoiceline"),
    policy("billing_correction"),
    """
    CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON billing_correction FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER only_added_all BEFORE TRUNCATE ON billing_correction FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER by_is_own BEFORE INSERT ON billing_correction FOR EACH ROW WHEN (NEW.by_id IS NOT NULL)
        EXECUTE FUNCTION refuse_but_staff();
    """,
    REPLACED,
    REPLACED_BY_ONE,
]


class Migration(migrations.Migration):
    dependencies = [("billing", "0011_corrections")]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
