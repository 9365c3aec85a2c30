"""Documents and credits of supplies for export (免税)."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_one_spelling"),
        ("billing", "0009_credit_rules"),
        ("contracts", "0006_meter_prices"),
        ("orders", "0004_follow"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="credit",
            name="credit_tax_kind",
        ),
        migrations.RemoveConstraint(
            model_name="invoiceline",
            name="invoice_line_tax_kind",
        ),
        migrations.RemoveConstraint(
            model_name="taxtotal",
            name="tax_total_kind",
        ),
        migrations.AlterField(
            model_name="credit",
            name="tax_kind",
            field=models.CharField(
                choices=[
                    ("standard", "標準税率"),
                    ("reduced", "軽減税率"),
                    ("exempt", "非課税"),
                    ("export", "免税"),
                    ("outside", "不課税"),
                ],
                max_length=10,
                verbose_name="税区分",
            ),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="tax_kind",
            field=models.CharField(
                choices=[
                    ("standard", "標準税率"),
                    ("reduced", "軽減税率"),
                    ("exempt", "非課税"),
                    ("export", "免税"),
                    ("outside", "不課税"),
                ],
                default="standard",
                max_length=10,
                verbose_name="税区分",
            ),
        ),
        migrations.AlterField(
            model_name="taxtotal",
            name="kind",
            field=models.CharField(
                choices=[
                    ("standard", "標準税率"),
                    ("reduced", "軽減税率"),
                    ("exempt", "非課税"),
                    ("export", "免税"),
                    ("outside", "不課税"),
                ],
                max_length=10,
                verbose_name="税区分",
            ),
        ),
        migrations.AddConstraint(
            model_name="credit",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_kind__in", ["standard", "reduced", "exempt", "export", "outside"])),
                name="credit_tax_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_kind__in", ["standard", "reduced", "exempt", "export", "outside"])),
                name="invoice_line_tax_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxtotal",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["standard", "reduced", "exempt", "export", "outside"])),
                name="tax_total_kind",
            ),
        ),
    ]
