"""Orders of supplies for export (免税)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_one_spelling"),
        ("contracts", "0007_export_kind"),
        ("orders", "0004_follow"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="orderline",
            name="order_line_tax_kind",
        ),
        migrations.AlterField(
            model_name="orderline",
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
            model_name="usagecharge",
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
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_kind__in", ["standard", "reduced", "exempt", "export", "outside"])),
                name="order_line_tax_kind",
            ),
        ),
    ]
