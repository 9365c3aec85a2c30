"""Customers may keep a number from elsewhere (D20); account data may be sent later (D38)."""

from django.db import migrations, models

from portal.db.schema import grant
from portal.numbers import OWN_FORM, own_form


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_one_spelling"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="customer", name="customer_number_form"),
        migrations.AlterField(
            model_name="customer",
            name="number",
            field=models.CharField(max_length=20, unique=True, validators=[own_form], verbose_name="お客様番号"),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.CheckConstraint(condition=models.Q(number__regex=OWN_FORM), name="customer_number_form"),
        ),
        migrations.AddField(
            model_name="user",
            name="account_pending",
            field=models.BooleanField(default=False, editable=False, verbose_name="アカウント情報が未送付"),
        ),
        migrations.RunSQL(grant("UPDATE (account_pending)", "accounts_user"), migrations.RunSQL.noop),
    ]
