"""Prices of metered items with a month from which they hold; those that exist hold from always (D32)."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

from portal.db.schema import policy, same_customer

MOVE = """
    INSERT INTO contracts_meterprice (customer_id, meter_id, free_quantity, unit_price)
        SELECT customer_id, id, free_quantity, unit_price FROM contracts_meter;
    UPDATE contracts_metertier t SET price_id = p.id FROM contracts_meterprice p WHERE p.meter_id = t.meter_id;
    SET CONSTRAINTS ALL IMMEDIATE;
"""
RULES = [
    same_customer("contracts_meterprice", "meter_id", "contracts_meter"),
    same_customer("contracts_metertier", "price_id", "contracts_meterprice"),
    policy("contracts_meterprice"),
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_user_bounced"), ("contracts", "0005_follow")]

    operations = [
        migrations.CreateModel(
            name="MeterPrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateField(blank=True, null=True, verbose_name="適用開始年月")),
                (
                    "free_quantity",
                    models.DecimalField(decimal_places=3, default=0, max_digits=12, verbose_name="無料枠"),
                ),
                ("unit_price", models.DecimalField(decimal_places=2, max_digits=14, verbose_name="単価")),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.customer",
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prices",
                        to="contracts.meter",
                    ),
                ),
            ],
            options={
                "verbose_name": "単価と無料枠",
                "verbose_name_plural": "単価と無料枠",
                "ordering": [F("since").asc(nulls_first=True)],
                "indexes": [models.Index(fields=["customer", "meter"], name="prices_of_meter")],
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "id"), name="meter_price_customer_key"),
                    models.UniqueConstraint(
                        fields=("meter", "since"), name="one_meter_price_a_month", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=Q(("since", None), ("since__day", 1), _connector="OR"),
                        name="meter_price_since_first_day",
                    ),
                    models.CheckConstraint(
                        condition=Q(("free_quantity__gte", 0), ("unit_price__gte", 0)), name="meter_price_not_negative"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="metertier",
            name="price",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tiers",
                to="contracts.meterprice",
            ),
        ),
        migrations.RunSQL(MOVE, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="metertier",
            name="price",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tiers",
                to="contracts.meterprice",
            ),
        ),
        migrations.RemoveConstraint(model_name="metertier", name="one_price_a_tier"),
        migrations.RemoveConstraint(model_name="metertier", name="tier_not_negative"),
        migrations.RemoveIndex(model_name="metertier", name="tiers_of_meter"),
        migrations.RemoveField(model_name="metertier", name="meter"),
        migrations.RemoveConstraint(model_name="meter", name="meter_not_negative"),
        migrations.RemoveField(model_name="meter", name="free_quantity"),
        migrations.RemoveField(model_name="meter", name="unit_price"),
        migrations.AddIndex(
            model_name="metertier", index=models.Index(fields=["customer", "price"], name="tiers_of_price")
        ),
        migrations.AddConstraint(
            model_name="metertier",
            constraint=models.UniqueConstraint(fields=("price", "above"), name="one_price_a_tier"),
        ),
        migrations.AddConstraint(
            model_name="metertier",
            constraint=models.CheckConstraint(
                condition=Q(("above__gt", 0), ("unit_price__gte", 0)), name="tier_not_negative"
            ),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
