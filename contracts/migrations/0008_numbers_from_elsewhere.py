"""Contracts may keep a number from elsewhere (D20)."""

from django.db import migrations, models

from portal.numbers import OWN_FORM, own_form


class Migration(migrations.Migration):
    dependencies = [
        ("contracts", "0007_export_kind"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="contract", name="contract_number_form"),
        migrations.AlterField(
            model_name="contract",
            name="number",
            field=models.CharField(max_length=20, unique=True, validators=[own_form], verbose_name="契約番号"),
        ),
        migrations.AddConstraint(
            model_name="contract",
            constraint=models.CheckConstraint(condition=models.Q(number__regex=OWN_FORM), name="contract_number_form"),
        ),
    ]
