"""Decisions, credits and 一括値引き, and the lines that show them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_one_spelling"),
        ("billing", "0007_followed_lines"),
        ("contracts", "0005_follow"),
        ("orders", "0004_follow"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="invoice",
            name="credit_left",
            field=models.JSONField(null=True, verbose_name="調整残高"),
        ),
        migrations.CreateModel(
            name="Credit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "source",
                    models.CharField(
                        choices=[("decision", "契約の変更"), ("hand", "翌月調整"), ("adjustment", "調整")],
                        max_length=10,
                        verbose_name="由来",
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
                (
                    "price_basis",
                    models.CharField(
                        choices=[("exclusive", "税抜"), ("inclusive", "税込")], max_length=9, verbose_name="税抜・税込"
                    ),
                ),
                ("amount", models.BigIntegerField(verbose_name="金額")),
                ("item", models.CharField(max_length=100, verbose_name="品目")),
                ("starts_on", models.DateField(verbose_name="利用開始日")),
                ("ends_on", models.DateField(verbose_name="利用終了日")),
                ("reason", models.CharField(max_length=200, verbose_name="理由")),
                ("given_on", models.DateField(verbose_name="登録日")),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="登録者",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credits",
                        to="accounts.customer",
                        verbose_name="お客様",
                    ),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.invoice",
                        verbose_name="元の請求",
                    ),
                ),
                (
                    "invoice_line",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credits",
                        to="billing.invoiceline",
                    ),
                ),
                (
                    "takes_back",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="taken_back_by",
                        to="billing.credit",
                        verbose_name="取消元",
                    ),
                ),
            ],
            options={
                "verbose_name": "調整残高",
                "verbose_name_plural": "調整残高",
                "ordering": ["given_on", "pk"],
            },
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="credit",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="taken_up_by",
                to="billing.credit",
            ),
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "choice",
                    models.CharField(
                        choices=[("credit", "翌月調整"), ("return", "返還"), ("refused", "返金しない")],
                        max_length=7,
                        verbose_name="決定",
                    ),
                ),
                ("amount", models.BigIntegerField(verbose_name="金額")),
                ("reason", models.CharField(max_length=200, verbose_name="理由")),
                ("at", models.DateTimeField(auto_now_add=True, verbose_name="登録日時")),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="登録者",
                    ),
                ),
                (
                    "contract_line",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="contracts.contractline",
                    ),
                ),
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
                    "invoice_line",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.invoiceline",
                    ),
                ),
                (
                    "takes_back",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="taken_back_by",
                        to="billing.decision",
                        verbose_name="取消元",
                    ),
                ),
                (
                    "term",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="contracts.term",
                    ),
                ),
            ],
            options={
                "verbose_name": "返金の決定",
                "verbose_name_plural": "返金の決定",
                "ordering": ["at", "pk"],
            },
        ),
        migrations.AddField(
            model_name="credit",
            name="decision",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credits",
                to="billing.decision",
            ),
        ),
        migrations.CreateModel(
            name="Discount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item", models.CharField(default="お値引き", max_length=100, verbose_name="品目")),
                ("amount", models.BigIntegerField(verbose_name="値引き額")),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="登録者",
                    ),
                ),
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
                    "invoice",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="discounts",
                        to="billing.invoice",
                        verbose_name="請求",
                    ),
                ),
            ],
            options={
                "verbose_name": "一括値引き",
                "verbose_name_plural": "一括値引き",
                "ordering": ["pk"],
            },
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="discount",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="lines",
                to="billing.discount",
            ),
        ),
        migrations.AddIndex(
            model_name="invoiceline",
            index=models.Index(
                condition=models.Q(("credit__isnull", False)), fields=["credit"], name="lines_of_credit"
            ),
        ),
        migrations.AddIndex(
            model_name="invoiceline",
            index=models.Index(
                condition=models.Q(("discount__isnull", False)), fields=["discount"], name="lines_of_discount"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("credit", None), models.Q(("amount__lt", 0), ("origin", "adjustment")), _connector="OR"
                ),
                name="credit_is_taken_off",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("discount", None), models.Q(("amount__lt", 0), ("origin", "discount")), _connector="OR"
                ),
                name="discount_is_taken_off",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.UniqueConstraint(fields=("customer", "id"), name="decision_customer_key"),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("choice__in", ["credit", "return", "refused"])), name="decision_choice_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount__gt", 0), ("takes_back", None)),
                    models.Q(("amount__lt", 0), ("takes_back__isnull", False)),
                    _connector="OR",
                ),
                name="decision_gives_or_takes_back",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="decision_has_a_reason"
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.UniqueConstraint(fields=("customer", "id"), name="credit_customer_key"),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["decision", "hand", "adjustment"])), name="credit_source_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount__gt", 0), ("takes_back", None)),
                    models.Q(("amount__lt", 0), ("takes_back__isnull", False)),
                    _connector="OR",
                ),
                name="credit_gives_or_takes_back",
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decision__isnull", False), ("invoice_line__isnull", False), ("source", "decision")),
                    models.Q(("decision", None), ("invoice_line__isnull", False), ("source", "hand")),
                    models.Q(("decision", None), ("invoice", None), ("invoice_line", None), ("source", "adjustment")),
                    _connector="OR",
                ),
                name="credit_names_its_ground",
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("invoice", None), ("invoice_line", None)),
                    models.Q(("invoice__isnull", False), ("invoice_line__isnull", False)),
                    _connector="OR",
                ),
                name="credit_names_invoice_and_line",
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_rate__gte", 0), ("tax_rate__lt", 1)), name="credit_rate"
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_kind__in", ["standard", "reduced", "exempt", "outside"])),
                name="credit_tax_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(("price_basis__in", ["exclusive", "inclusive"])), name="credit_basis"
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_on__gte", models.F("starts_on"))), name="credit_period"
            ),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.UniqueConstraint(fields=("customer", "id"), name="discount_customer_key"),
        ),
        migrations.AddConstraint(
            model_name="discount",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="discount_takes_off"),
        ),
    ]
