"""Runs keep the settings that they used; order lines and usage charges of fixed documents are frozen as the documents are.

The guards work on whole statements and lock the documents that they look at, as those of invoice lines do (0002). An order
or a used quantity of which a fixed document shows anything gets no further line, and none of its lines changes or goes.
"""

from django.db import migrations, models

TABLES = {
    "orders_orderline": """
        SELECT b.invoice_id FROM {rows} r JOIN billing_invoiceline b ON b.customer_id = r.customer_id AND b.order_id = r.order_id
    """,
    "orders_usagecharge": """
        SELECT b.invoice_id FROM {rows} r JOIN billing_invoiceline b ON b.usage_charge_id = r.id AND b.origin = 'usage'
        UNION
        SELECT b.invoice_id FROM {rows} r JOIN orders_usagecharge g ON g.usage_id = r.usage_id AND g.dropped_on IS NULL
        JOIN billing_invoiceline b ON b.usage_charge_id = g.id AND b.origin = 'usage'
    """,
}


def guard(table, event, tables, shown):
    return f"""
    -- Planned anew each time: a plan made when the tables were empty takes minutes once they are full.
    CREATE FUNCTION refuse_{event.lower()}_of_billed_{table}() RETURNS trigger LANGUAGE plpgsql
    SET plan_cache_mode = force_custom_plan AS $$
    DECLARE fixed bigint;
    BEGIN
        SELECT min(i.id) FILTER (WHERE i.state <> 'draft') INTO fixed FROM (
            SELECT id, state FROM billing_invoice WHERE id IN ({shown}) FOR SHARE
        ) i;
        IF fixed IS NOT NULL THEN
            RAISE EXCEPTION 'invoice % is fixed: % of % refused', fixed, TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billed_orders_are_frozen';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER frozen_{event.lower()} AFTER {event} ON {table} {tables}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_{event.lower()}_of_billed_{table}();
    """


# The key to the contract line may become null, for the line can be deleted; nothing else.
CHANGED = """(
    SELECT x.* FROM old_rows o JOIN new_rows n USING (id) CROSS JOIN LATERAL (SELECT o.* UNION ALL SELECT n.*) x
    WHERE to_jsonb(o) - 'contract_line_id' <> to_jsonb(n) - 'contract_line_id'
        OR to_jsonb(n) ->> 'contract_line_id' <> to_jsonb(o) ->> 'contract_line_id'
)"""

RULES = [
    guard(table, event, tables, shown.format(rows=rows))
    for table, shown in TABLES.items()
    for event, tables, rows in [
        ("INSERT", "REFERENCING NEW TABLE AS new_rows", "new_rows"),
        ("DELETE", "REFERENCING OLD TABLE AS old_rows", "old_rows"),
        ("UPDATE", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows", CHANGED),
    ]
] + [
    f"CREATE TRIGGER frozen_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();"
    for table in TABLES
]


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_parked_by_person"), ("orders", "0003_usage")]

    operations = [
        migrations.AddField(
            model_name="monthrun",
            name="whole",
            field=models.BooleanField(default=False, verbose_name="全お客様"),
        ),
        migrations.AddField(
            model_name="monthrun",
            name="settings",
            field=models.JSONField(default=dict, verbose_name="使った設定"),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
