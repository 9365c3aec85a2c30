"""The numbers of provisional invoices that went: the database keeps each as its invoice is deleted, whoever deletes it (D20)."""

import django.db.models.deletion
from django.db import migrations, models

from portal.db.schema import SEARCH_PATH

RULES = [
    "ALTER TABLE billing_numbergone ENABLE ROW LEVEL SECURITY;",
    """
    CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON billing_numbergone
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER only_added_all BEFORE TRUNCATE ON billing_numbergone
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """,
    f"""
    CREATE FUNCTION keep_numbers() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$ BEGIN
        INSERT INTO billing_numbergone (customer_id, number, month, cause, at)
        SELECT r.customer_id, r.number, r.month, left(coalesce((
            SELECT '注文の取消 ' || string_agg(o.number, ' ' ORDER BY o.number) FROM orders_order o
            WHERE o.customer_id = r.customer_id AND o.month = r.month AND o.reversed_on IS NOT NULL
        ), '請求する明細がなくなったため'), 200), now() FROM rows r ORDER BY r.number;
        RETURN NULL;
    END $$;
    CREATE TRIGGER keep_numbers AFTER DELETE ON billing_invoice REFERENCING OLD TABLE AS rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_numbers();
    """,
]


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0012_correction_rules"),
        ("accounts", "0008_one_spelling"),
        ("orders", "0005_export_kind"),
    ]
    operations = [
        migrations.CreateModel(
            name="NumberGone",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=20, verbose_name="請求番号")),
                ("month", models.DateField(verbose_name="請求対象年月")),
                ("cause", models.CharField(max_length=200, verbose_name="理由")),
                ("at", models.DateTimeField(auto_now_add=True, verbose_name="日時")),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.customer",
                        verbose_name="お客様",
                    ),
                ),
            ],
            options={
                "verbose_name": "請求番号の欠番",
                "verbose_name_plural": "請求番号の欠番",
                "ordering": ["-at", "-pk"],
                "indexes": [models.Index(fields=["month", "customer"], name="numbers_gone_of_month")],
            },
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
