"""Contract lines and meters of supplies for export (免税)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_one_spelling"),
        ("contracts", "0006_meter_prices"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="contractline",
            name="contract_line_tax_kind",
        ),
        migrations.RemoveConstraint(
            model_name="meter",
            name="meter_tax_kind",
        ),
        migrations.AlterField(
            model_name="contractline",
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
            model_name="meter",
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
        migrations.AddConstraint(
            model_name="contractline",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_kind__in", ["standard", "reduced", "exempt", "export", "outside"])),
                name="contract_line_tax_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_kind__in", ["standard", "reduced", "exempt", "export", "outside"])),
                name="meter_tax_kind",
            ),
        ),
    ]
