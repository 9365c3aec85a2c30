"""What billed months stand on stays as it was, whoever writes: prices of billed usage (D32), and the tax classes,
registration numbers and calendar days that fixed invoices used (D34). `contracts.services` and `billing.settled` say the
same in words.
"""

from django.db import migrations

from portal.db.schema import SEARCH_PATH


def function(name, body, returns="trigger", given=""):
    return f"""
    -- Planned anew each time: a plan made when the tables were empty takes minutes once they are full.
    CREATE FUNCTION {name}({given}) RETURNS {returns} LANGUAGE plpgsql
    SET search_path = {SEARCH_PATH} SET plan_cache_mode = force_custom_plan AS $$
    {body}
    $$;
    """


def refuse(text):
    return f"""
        RAISE EXCEPTION '{text}: % of % refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billed_months_stay';
    """


# The months of billed usage in which a price that begins so holds; the documents are locked, as other guards lock them.
BILLED_MONTHS = function(
    "billed_months_of_price",
    """
    BEGIN
        RETURN array(SELECT DISTINCT f.month FROM (
            SELECT u.month, i.state FROM orders_usage u
            JOIN orders_usagecharge g ON g.usage_id = u.id AND g.dropped_on IS NULL
            JOIN billing_invoiceline b ON b.usage_charge_id = g.id JOIN billing_invoice i ON i.id = b.invoice_id
            WHERE u.meter_id = meter AND u.month >= coalesce(begins, '-infinity') AND NOT EXISTS (
                SELECT FROM contracts_meterprice p WHERE p.meter_id = meter AND p.id <> price
                    AND p.since > coalesce(begins, '-infinity') AND p.since <= u.month
            ) FOR SHARE OF i
        ) f WHERE f.state <> 'draft' ORDER BY 1);
    END
    """,
    returns="date[]",
    given="meter bigint, price bigint, begins date",
)

PRICES = function(
    "refuse_price_of_billed_month",
    f"""
    DECLARE former date[] := '{{}}'; later date[] := '{{}}';
    BEGIN
        IF TG_OP <> 'INSERT' THEN former := billed_months_of_price(OLD.meter_id, OLD.id, OLD.since); END IF;
        IF TG_OP <> 'DELETE' THEN later := billed_months_of_price(NEW.meter_id, NEW.id, NEW.since); END IF;
        IF former = later AND (TG_OP <> 'UPDATE' OR (OLD.meter_id, OLD.free_quantity, OLD.unit_price)
            = (NEW.meter_id, NEW.free_quantity, NEW.unit_price)) THEN RETURN NULL; END IF;
        IF former || later <> '{{}}' THEN {refuse("usage of a month with this price is billed")} END IF;
        RETURN NULL;
    END
    """,
) + function(
    "refuse_tier_of_billed_month",
    f"""
    BEGIN
        IF TG_OP = 'UPDATE' AND (OLD.price_id, OLD.above, OLD.unit_price) = (NEW.price_id, NEW.above, NEW.unit_price) THEN
            RETURN NULL;
        END IF;
        IF EXISTS (
            SELECT FROM contracts_meterprice p WHERE billed_months_of_price(p.meter_id, p.id, p.since) <> '{{}}'
                AND p.id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.price_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.price_id END)
        ) THEN {refuse("usage of a month with this price is billed")} END IF;
        RETURN NULL;
    END
    """,
)
PRICES += "".join(
    f"""
    CREATE TRIGGER billed_months_stay AFTER INSERT OR UPDATE OR DELETE ON contracts_meter{kind}
        FOR EACH ROW EXECUTE FUNCTION refuse_{kind}_of_billed_month();
    CREATE TRIGGER billed_months_stay_all BEFORE TRUNCATE ON contracts_meter{kind}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """
    for kind in ("price", "tier")
)


def stays(table, same, used):
    """A guard of a setting's rows: where `used` (SQL over OLD) holds, only a change that is `same` (SQL) passes."""
    return (
        function(
            f"refuse_change_of_used_{table}",
            f"""
            BEGIN
                IF TG_OP = 'UPDATE' AND {same} THEN RETURN NEW; END IF;
                IF {used} THEN {refuse("fixed invoices stand on the row")} END IF;
                RETURN coalesce(NEW, OLD);
            END
            """,
        )
        + f"""
        CREATE TRIGGER used_stays BEFORE UPDATE OR DELETE ON portal_{table}
            FOR EACH ROW EXECUTE FUNCTION refuse_change_of_used_{table}();
        CREATE TRIGGER used_stays_all BEFORE TRUNCATE ON portal_{table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        """
    )


LAST_CLOSED = """coalesce((
    SELECT (max(month) + interval '1 month')::date - 1 FROM billing_monthrun WHERE kind = 'close' AND finished_at IS NOT NULL
), '-infinity')"""
OF_REGISTRATION = """
    FROM billing_invoice WHERE state <> 'draft' AND issuer ->> 'registration_number' = OLD.number
        AND (month + interval '1 month')::date - 1 BETWEEN OLD.valid_from AND coalesce(OLD.valid_to, 'infinity')
"""
SETTINGS = [
    stays(
        "taxclass",
        f"""(OLD.kind, OLD.rate, OLD.valid_from) = (NEW.kind, NEW.rate, NEW.valid_from)
            AND coalesce(NEW.valid_to, 'infinity') >= least({LAST_CLOSED}, OLD.valid_to)""",
        """EXISTS (
            SELECT FROM billing_invoiceline b JOIN billing_invoice i ON i.id = b.invoice_id
            WHERE i.state <> 'draft' AND (b.tax_kind, b.tax_rate) = (OLD.kind, OLD.rate)
                AND b.ends_on >= OLD.valid_from AND b.starts_on <= coalesce(OLD.valid_to, 'infinity')
        )""",
    ),
    stays(
        "vendorregistration",
        f"""(OLD.number, OLD.valid_from) = (NEW.number, NEW.valid_from) AND coalesce(NEW.valid_to, 'infinity') >= coalesce((
            SELECT (max(month) + interval '1 month')::date - 1 {OF_REGISTRATION}), '-infinity')""",
        f"EXISTS (SELECT {OF_REGISTRATION})",
    ),
    stays(
        "calendarday",
        "(OLD.day, OLD.working) = (NEW.day, NEW.working)",
        """EXISTS (
            SELECT FROM billing_invoice WHERE state <> 'draft' AND kind <> 'imported' AND issued_on < OLD.day
                AND due_on >= date_trunc('month', OLD.day)
        )""",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0014_reviews"),
        ("contracts", "0006_meter_prices"),
        ("orders", "0004_follow"),
        ("portal", "0012_export_kind"),
    ]
    operations = [migrations.RunSQL([BILLED_MONTHS, PRICES, *SETTINGS], migrations.RunSQL.noop)]
