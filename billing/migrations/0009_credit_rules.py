"""Credits and decisions are only ever added, take back at most what is there, and no more is taken up than was given.

What drafts had of negative adjustments and 値引き becomes a credit and a 一括値引き of its own.
"""

from django.db import migrations

from portal.db.schema import SEARCH_PATH, policy, same_customer


def only_added(table):
    return "".join(
        f"""
        CREATE TRIGGER {name} BEFORE {events} ON {table} FOR EACH {level} EXECUTE FUNCTION refuse_change();
        """
        for name, events, level in [
            ("only_added", "UPDATE OR DELETE", "ROW"),
            ("only_added_all", "TRUNCATE", "STATEMENT"),
        ]
    )


def function(name, body):
    return f"""
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$
    {body}
    $$;
    """


def takes_back(table, same, used, locked):
    """A counter-entry names an entry of the same `same` (SQL over NEW and e) and takes at most what `used` leaves of it."""
    return function(
        f"check_counter_of_{table}",
        f"""
        DECLARE e {table}%ROWTYPE;
        BEGIN
            SELECT * INTO e FROM {table} WHERE id = NEW.takes_back_id FOR UPDATE;
            IF e.id IS NULL OR e.takes_back_id IS NOT NULL OR NOT ({same}) THEN
                RAISE EXCEPTION 'entry % of % is none that this one can take back', NEW.takes_back_id, TG_TABLE_NAME
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{locked}';
            END IF;
            IF NEW.amount + e.amount + coalesce((SELECT sum(amount) FROM {table} WHERE takes_back_id = e.id), 0) < {used} THEN
                RAISE EXCEPTION 'entry % of % has less than % to take back', e.id, TG_TABLE_NAME, -NEW.amount
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{locked}';
            END IF;
            RETURN NEW;
        END
        """,
    ) + (
        f"CREATE TRIGGER counter_entry BEFORE INSERT ON {table} FOR EACH ROW WHEN (NEW.takes_back_id IS NOT NULL)"
        f" EXECUTE FUNCTION check_counter_of_{table}();"
    )


TAKEN_UP = """coalesce((
    SELECT -sum(l.amount) FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.credit_id = {credit} AND i.state IN ({states})
), 0)"""

CREDIT_LINES = (
    function(
        "refuse_more_than_given",
        f"""
        DECLARE c billing_credit%ROWTYPE;
        BEGIN
            SELECT * INTO c FROM billing_credit WHERE id = NEW.credit_id AND customer_id = NEW.customer_id FOR UPDATE;
            IF c.id IS NULL OR c.takes_back_id IS NOT NULL
                OR (c.tax_kind, c.tax_rate, c.price_basis) IS DISTINCT FROM (NEW.tax_kind, NEW.tax_rate, NEW.price_basis) THEN
                RAISE EXCEPTION 'line % takes up a credit of another class', NEW.id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'credits_are_taken_up_once';
            END IF;
            IF {TAKEN_UP.format(credit="c.id", states="'draft', 'fixed'")}
                > c.amount + coalesce((SELECT sum(amount) FROM billing_credit WHERE takes_back_id = c.id), 0) THEN
                RAISE EXCEPTION 'credit % is taken up beyond what was given', c.id
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'credits_are_taken_up_once';
            END IF;
            RETURN NULL;
        END
        """,
    )
    + """
    CREATE TRIGGER within_credit AFTER INSERT OR UPDATE OF credit_id, amount ON billing_invoiceline
        FOR EACH ROW WHEN (NEW.credit_id IS NOT NULL) EXECUTE FUNCTION refuse_more_than_given();
    """
)

# A 一括値引き is what was asked of its document: fixed with it.
DISCOUNTS = function(
    "refuse_discount_of_fixed",
    """
    BEGIN
        IF EXISTS (
            SELECT FROM billing_invoice WHERE state <> 'draft'
                AND id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.invoice_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.invoice_id END)
            FOR SHARE
        ) THEN
            RAISE EXCEPTION 'the invoice is fixed: % of % refused', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fixed_invoices_are_frozen';
        END IF;
        RETURN coalesce(NEW, OLD);
    END
    """,
) + (
    "CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON billing_discount"
    " FOR EACH ROW EXECUTE FUNCTION refuse_discount_of_fixed();"
    "CREATE TRIGGER frozen_all BEFORE TRUNCATE ON billing_discount FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();"
)

BY_STAFF = function(
    "refuse_but_staff",
    """
    BEGIN
        IF NOT EXISTS (SELECT FROM accounts_user WHERE id = NEW.by_id AND customer_id IS NULL) THEN
            RAISE EXCEPTION 'user % is not of the vendor', NEW.by_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'by_is_own';
        END IF;
        RETURN NEW;
    END
    """,
) + "".join(
    f"CREATE TRIGGER by_is_own BEFORE INSERT ON billing_{table} FOR EACH ROW WHEN (NEW.by_id IS NOT NULL)"
    " EXECUTE FUNCTION refuse_but_staff();"
    for table in ("decision", "credit", "discount")
)


def goes_with(table, column, parent):
    key = same_customer(table, column, parent)
    return key.replace("DEFERRABLE", "ON DELETE CASCADE DEFERRABLE")


RULES = [
    *[
        same_customer(f"billing_{table}", column, parent)
        for table, column, parent in [
            ("decision", "contract_line_id", "contracts_contractline"),
            ("decision", "term_id", "contracts_term"),
            ("decision", "invoice_line_id", "billing_invoiceline"),
            ("decision", "takes_back_id", "billing_decision"),
            ("credit", "takes_back_id", "billing_credit"),
            ("credit", "decision_id", "billing_decision"),
            ("credit", "invoice_id", "billing_invoice"),
            ("credit", "invoice_line_id", "billing_invoiceline"),
            ("invoiceline", "credit_id", "billing_credit"),
        ]
    ],
    goes_with("billing_discount", "invoice_id", "billing_invoice"),
    goes_with("billing_invoiceline", "discount_id", "billing_discount"),
    policy("billing_credit"),
    "ALTER TABLE billing_decision ENABLE ROW LEVEL SECURITY; ALTER TABLE billing_discount ENABLE ROW LEVEL SECURITY;",
    only_added("billing_decision"),
    only_added("billing_credit"),
    takes_back(
        "billing_decision",
        "(e.customer_id, e.contract_line_id, e.term_id, e.invoice_line_id, e.choice)"
        " = (NEW.customer_id, NEW.contract_line_id, NEW.term_id, NEW.invoice_line_id, NEW.choice)",
        "0",
        "decisions_take_back_what_is_there",
    ),
    takes_back(
        "billing_credit",
        "(e.customer_id, e.source, e.tax_kind, e.tax_rate, e.price_basis)"
        " = (NEW.customer_id, NEW.source, NEW.tax_kind, NEW.tax_rate, NEW.price_basis)",
        TAKEN_UP.format(credit="e.id", states="'fixed'"),
        "credits_take_back_what_is_there",
    ),
    CREDIT_LINES,
    DISCOUNTS,
    BY_STAFF,
]

# The next rebuild of these drafts splits and takes up anew.
CONVERT = """
    INSERT INTO billing_discount (customer_id, invoice_id, item, amount)
    SELECT l.customer_id, l.invoice_id, l.item, -sum(l.amount) FROM billing_invoiceline l
    JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE i.state = 'draft' AND l.origin = 'discount' AND l.amount < 0 GROUP BY l.customer_id, l.invoice_id, l.item;
    UPDATE billing_invoiceline l SET discount_id = d.id FROM billing_discount d
    WHERE d.invoice_id = l.invoice_id AND d.item = l.item AND l.origin = 'discount' AND l.amount < 0;
    DO $$ DECLARE line billing_invoiceline%ROWTYPE; made bigint; BEGIN
        FOR line IN SELECT l.* FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
            WHERE i.state = 'draft' AND l.origin = 'adjustment' AND l.amount < 0 ORDER BY i.month, l.id
        LOOP
            INSERT INTO billing_credit (customer_id, source, tax_kind, tax_rate, price_basis, amount, item, starts_on, ends_on,
                reason, given_on)
            VALUES (line.customer_id, 'adjustment', line.tax_kind, line.tax_rate, line.price_basis, -line.amount, line.item,
                line.starts_on, line.ends_on, line.item, (now() AT TIME ZONE 'Asia/Tokyo')::date)
            RETURNING id INTO made;
            UPDATE billing_invoiceline SET credit_id = made WHERE id = line.id;
        END LOOP;
    END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_credits"), ("contracts", "0005_follow"), ("orders", "0004_follow")]
    operations = [
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
        migrations.RunSQL(CONVERT, migrations.RunSQL.noop),
    ]
