"""Metered items with their prices, and terms that a late cancellation takes back."""

import django.db.models.deletion
from django.db import migrations, models

from portal.db.schema import policy, same_customer

RULES = [
    same_customer("contracts_meter", "contract_id", "contracts_contract"),
    same_customer("contracts_metertier", "meter_id", "contracts_meter"),
    *[policy(f"contracts_{table}") for table in ("meter", "metertier")],
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_user_bounced"),
        ("contracts", "0002_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="Meter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item", models.CharField(max_length=100, verbose_name="品目")),
                ("unit", models.CharField(max_length=10, verbose_name="単位")),
                (
                    "free_quantity",
                    models.DecimalField(decimal_places=3, default=0, max_digits=12, verbose_name="無料枠"),
                ),
                ("unit_price", models.DecimalField(decimal_places=2, max_digits=14, verbose_name="単価")),
                (
                    "price_basis",
                    models.CharField(
                        choices=[("exclusive", "税抜"), ("inclusive", "税込")],
                        default="exclusive",
                        max_length=9,
                        verbose_name="税抜・税込",
                    ),
                ),
                (
                    "tax_kind",
                    models.CharField(
                        choices=[
                            ("standard", "標準税率"),
                            ("reduced", "軽減税率"),
                            ("exempt", "非課税"),
                            ("outside", "不課税"),
                        ],
                        default="standard",
                        max_length=10,
                        verbose_name="税区分",
                    ),
                ),
            ],
            options={
                "verbose_name": "従量料金",
                "verbose_name_plural": "従量料金",
                "ordering": ["contract", "id"],
            },
        ),
        migrations.CreateModel(
            name="MeterTier",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("above", models.DecimalField(decimal_places=3, max_digits=12, verbose_name="この数量を超えた分")),
                ("unit_price", models.DecimalField(decimal_places=2, max_digits=14, verbose_name="単価")),
            ],
            options={
                "verbose_name": "段階料金",
                "verbose_name_plural": "段階料金",
                "ordering": ["above"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="term",
            name="one_term_a_first_day",
        ),
        migrations.RemoveConstraint(
            model_name="term",
            name="one_term_a_sequence",
        ),
        migrations.AddField(
            model_name="term",
            name="dropped_on",
            field=models.DateField(null=True, verbose_name="取りやめ日"),
        ),
        migrations.AddConstraint(
            model_name="term",
            constraint=models.UniqueConstraint(
                condition=models.Q(("dropped_on", None)), fields=("contract", "starts_on"), name="one_term_a_first_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="term",
            constraint=models.UniqueConstraint(
                condition=models.Q(("dropped_on", None)), fields=("contract", "sequence"), name="one_term_a_sequence"
            ),
        ),
        migrations.AddField(
            model_name="meter",
            name="contract",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="meters",
                to="contracts.contract",
                verbose_name="契約",
            ),
        ),
        migrations.AddField(
            model_name="meter",
            name="customer",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.customer"
            ),
        ),
        migrations.AddField(
            model_name="meter",
            name="service",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="contracts.service",
                verbose_name="サービス",
            ),
        ),
        migrations.AddField(
            model_name="metertier",
            name="customer",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.customer"
            ),
        ),
        migrations.AddField(
            model_name="metertier",
            name="meter",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tiers",
                to="contracts.meter",
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.UniqueConstraint(fields=("customer", "id"), name="meter_customer_key"),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.UniqueConstraint(
                fields=("contract", "service"),
                name="one_meter_a_service",
                violation_error_message="この契約にはこのサービスの従量料金が登録されています",
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(("free_quantity__gte", 0), ("unit_price__gte", 0)),
                name="meter_not_negative",
                violation_error_message="無料枠と単価は0以上で入力してください",
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(("price_basis__in", ["exclusive", "inclusive"])), name="meter_basis"
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_kind__in", ["standard", "reduced", "exempt", "outside"])),
                name="meter_tax_kind",
            ),
        ),
        migrations.AddIndex(
            model_name="metertier",
            index=models.Index(fields=["customer", "meter"], name="tiers_of_meter"),
        ),
        migrations.AddConstraint(
            model_name="metertier",
            constraint=models.UniqueConstraint(fields=("meter", "above"), name="one_price_a_tier"),
        ),
        migrations.AddConstraint(
            model_name="metertier",
            constraint=models.CheckConstraint(
                condition=models.Q(("above__gt", 0), ("unit_price__gte", 0)),
                name="tier_not_negative",
                violation_error_message="数量は0より大きく、単価は0以上で入力してください",
            ),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
