"""Several orders a term (追加), each with a period of its own; and whose orders have yet to follow a change.

The triggers say so within the transaction of the change, whoever makes it. A contract without terms has no orders to follow,
and a run finds its first ones by itself.
"""

import django.db.models.constraints
import django.db.models.deletion
from django.db import migrations, models

from portal.db.schema import same_customer

# Who is just now following, and so takes the row away, is waited for; then it comes again.
ADD = "INSERT INTO orders_pending (customer_id, since) SELECT DISTINCT {customer}, now() FROM {rows} ON CONFLICT DO NOTHING"


def marks(name, table, event, customer, rows, tables):
    """A trigger that puts the `customer` of these rows down as one whose orders have yet to follow."""
    return f"""
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        {ADD.format(customer=customer, rows=rows)};
        RETURN NULL;
    END $$;
    CREATE TRIGGER {name} AFTER {event} ON {table} {tables} FOR EACH STATEMENT EXECUTE FUNCTION {name}();
    """


NEW, OLD = "REFERENCING NEW TABLE AS new_rows", "REFERENCING OLD TABLE AS old_rows"
BOTH = f"{OLD} NEW TABLE AS new_rows"
WITH_TERMS = "WHERE EXISTS (SELECT FROM contracts_term t WHERE t.contract_id = l.contract_id)"
OF_CONTRACT = ("service_id", "form", "start_on", "cancel_on", "auto_renew", "bill_from", "withdrawn_on")


def changed(columns):
    """Rows of an update in which one of these columns says something else."""
    former, new = (f"({', '.join(f'{row}.{column}' for column in columns)})" for row in "on")
    return f"new_rows n JOIN old_rows o USING (id) WHERE {former} IS DISTINCT FROM {new}"


EVERYBODY = "contracts_contract c WHERE EXISTS (SELECT FROM {rows})"
RULES = [
    marks("contracts_to_follow", "contracts_contract", "UPDATE", "n.customer_id", changed(OF_CONTRACT), tables=BOTH),
    marks(
        "lines_to_follow", "contracts_contractline", "INSERT", "l.customer_id", f"new_rows l {WITH_TERMS}", tables=NEW
    ),
    marks(
        "lost_lines_to_follow",
        "contracts_contractline",
        "DELETE",
        "l.customer_id",
        f"old_rows l {WITH_TERMS}",
        tables=OLD,
    ),
    marks(
        "changed_lines_to_follow",
        "contracts_contractline",
        "UPDATE",
        "l.customer_id",
        f"(SELECT n.* FROM new_rows n JOIN old_rows o USING (id) WHERE n IS DISTINCT FROM o) l {WITH_TERMS}",
        tables=BOTH,
    ),
    marks(
        "services_to_follow",
        "contracts_service",
        "UPDATE",
        "c.customer_id",
        f"contracts_contract c WHERE c.service_id IN (SELECT n.id FROM {changed(['prorate'])})",
        tables=BOTH,
    ),
    marks(
        "new_taxes_to_follow",
        "portal_taxclass",
        "INSERT",
        "c.customer_id",
        EVERYBODY.format(rows="new_rows"),
        tables=NEW,
    ),
    marks(
        "lost_taxes_to_follow",
        "portal_taxclass",
        "DELETE",
        "c.customer_id",
        EVERYBODY.format(rows="old_rows"),
        tables=OLD,
    ),
    marks(
        "changed_taxes_to_follow",
        "portal_taxclass",
        "UPDATE",
        "c.customer_id",
        EVERYBODY.format(rows=changed(["kind", "rate", "valid_from", "valid_to"])),
        tables=BOTH,
    ),
    marks(
        "settings_to_follow",
        "portal_vendor",
        "UPDATE",
        "c.customer_id",
        EVERYBODY.format(rows=changed(["rounding", "first_month"])),
        tables=BOTH,
    ),
    "ALTER TABLE orders_pending ENABLE ROW LEVEL SECURITY;",
    same_customer("orders_order", "line_id", "contracts_contractline"),
]

# An order had its term's dates so far, and only monthly contracts had 日割.
FILL = """
    UPDATE orders_order o SET starts_on = coalesce(l.starts_on, t.starts_on), ends_on = coalesce(l.ends_on, t.ends_on),
        prorate = s.prorate AND c.form = 'monthly'
    FROM contracts_term t
    JOIN contracts_contract c ON c.id = t.contract_id JOIN contracts_service s ON s.id = c.service_id, orders_order p
    LEFT JOIN LATERAL (
        SELECT min(starts_on) AS starts_on, max(ends_on) AS ends_on FROM orders_orderline WHERE order_id = p.id
    ) l ON true
    WHERE t.id = o.term_id AND p.id = o.id
"""
# The keys' deferred checks would stand in the way of the tables' next change.
SETTLE = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_one_spelling"),
        ("contracts", "0005_follow"),
        ("orders", "0003_usage"),
        ("portal", "0009_staff_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pending",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.customer",
                    ),
                ),
                ("since", models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(model_name="order", name="order_kind_known"),
        migrations.RemoveConstraint(model_name="orderline", name="order_line_position"),
        migrations.AddField("order", "starts_on", models.DateField(null=True, verbose_name="利用開始日")),
        migrations.AddField("order", "ends_on", models.DateField(null=True, verbose_name="利用終了日")),
        migrations.AddField("order", "prorate", models.BooleanField(default=False, verbose_name="日割")),
        migrations.RunSQL([FILL, SETTLE], migrations.RunSQL.noop),
        migrations.AlterField("order", "starts_on", models.DateField(verbose_name="利用開始日")),
        migrations.AlterField("order", "ends_on", models.DateField(verbose_name="利用終了日")),
        migrations.AddField("order", "is_difference", models.BooleanField(default=False, verbose_name="差額")),
        migrations.AddField(
            model_name="order",
            name="line",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="additions",
                to="contracts.contractline",
                verbose_name="追加の明細",
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="kind",
            field=models.CharField(
                choices=[("new", "新規"), ("renewal", "更新"), ("addition", "追加")],
                max_length=8,
                verbose_name="注文区分",
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="term",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="orders",
                to="contracts.term",
                verbose_name="契約期間",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["new", "renewal", "addition"])), name="order_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_on__gte", models.F("starts_on"))), name="order_period"
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(models.Q(("kind", "addition"), _negated=True), ("reversed_on", None)),
                fields=("term",),
                name="one_order_a_term",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "addition"), ("line", None), ("reversed_on", None), _negated=True),
                    models.Q(("kind", "addition"), ("line", None), _connector="OR"),
                ),
                name="addition_names_its_line",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_difference", False), ("kind", "addition"), _connector="OR"),
                name="difference_is_an_addition",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.UniqueConstraint(
                deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                fields=("order", "position"),
                name="order_line_position",
            ),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
