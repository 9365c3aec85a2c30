"""Files of used quantities, and the charges that they give."""

import django.db.models.deletion
from django.db import migrations, models

from portal.db.schema import policy, same_customer

RULES = [
    same_customer("orders_usage", "meter_id", "contracts_meter"),
    same_customer("orders_usagecharge", "usage_id", "orders_usage"),
    *[policy(f"orders_{table}") for table in ("usage", "usagecharge")],
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_user_bounced"),
        ("contracts", "0003_usage"),
        ("orders", "0002_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64, unique=True, verbose_name="SHA-256")),
                ("name", models.CharField(max_length=200, verbose_name="ファイル名")),
                ("rows", models.PositiveIntegerField(verbose_name="行数")),
                ("at", models.DateTimeField(auto_now_add=True, verbose_name="取込日時")),
            ],
            options={
                "verbose_name": "使用量ファイル",
                "verbose_name_plural": "使用量ファイル",
                "ordering": ["-at"],
            },
        ),
        migrations.CreateModel(
            name="Usage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(verbose_name="対象年月")),
                ("quantity", models.DecimalField(decimal_places=3, max_digits=12, verbose_name="数量")),
                ("line_number", models.PositiveIntegerField(verbose_name="行番号")),
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
                (
                    "meter",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="usages",
                        to="contracts.meter",
                        verbose_name="従量料金",
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="usages",
                        to="orders.usagefile",
                        verbose_name="使用量ファイル",
                    ),
                ),
            ],
            options={
                "verbose_name": "使用量",
                "verbose_name_plural": "使用量",
                "ordering": ["-month", "meter"],
            },
        ),
        migrations.CreateModel(
            name="UsageCharge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField(verbose_name="行")),
                ("item", models.CharField(max_length=100, verbose_name="品目")),
                ("specification", models.CharField(blank=True, max_length=200, verbose_name="仕様")),
                ("starts_on", models.DateField(verbose_name="利用開始日")),
                ("ends_on", models.DateField(verbose_name="利用終了日")),
                ("quantity", models.DecimalField(decimal_places=3, max_digits=12, verbose_name="数量")),
                ("unit", models.CharField(max_length=10, verbose_name="単位")),
                ("unit_price", models.DecimalField(decimal_places=2, max_digits=14, verbose_name="単価")),
                ("amount", models.BigIntegerField(verbose_name="金額")),
                (
                    "price_basis",
                    models.CharField(
                        choices=[("exclusive", "税抜"), ("inclusive", "税込")], max_length=9, verbose_name="税抜・税込"
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
                        max_length=10,
                        verbose_name="税区分",
                    ),
                ),
                ("tax_rate", models.DecimalField(decimal_places=4, max_digits=5, verbose_name="税率")),
                ("dropped_on", models.DateField(null=True, verbose_name="取りやめ日")),
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
                    "usage",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="charges",
                        to="orders.usage",
                    ),
                ),
            ],
            options={
                "verbose_name": "従量明細",
                "verbose_name_plural": "従量明細",
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "id"), name="usage_charge_customer_key"),
                    models.UniqueConstraint(
                        condition=models.Q(("dropped_on", None)),
                        fields=("usage", "position"),
                        name="usage_charge_position",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ends_on__gte", models.F("starts_on"))), name="usage_charge_period"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tax_rate__gte", 0), ("tax_rate__lt", 1)), name="usage_charge_rate"
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="usage",
            constraint=models.UniqueConstraint(fields=("customer", "id"), name="usage_customer_key"),
        ),
        migrations.AddConstraint(
            model_name="usage",
            constraint=models.UniqueConstraint(fields=("meter", "month"), name="one_usage_a_month"),
        ),
        migrations.AddConstraint(
            model_name="usage",
            constraint=models.CheckConstraint(condition=models.Q(("month__day", 1)), name="usage_month_is_first_day"),
        ),
        migrations.AddConstraint(
            model_name="usage",
            constraint=models.CheckConstraint(condition=models.Q(("quantity__gte", 0)), name="usage_not_negative"),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
