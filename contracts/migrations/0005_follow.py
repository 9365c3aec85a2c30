"""Contracts billed from a later month, contracts taken back, and lines that continue others."""

import django.db.models.deletion
from django.db import migrations, models

from portal.db.schema import same_customer

RULES = [same_customer("contracts_contractline", "continues_id", "contracts_contractline")]


class Migration(migrations.Migration):
    dependencies = [("contracts", "0004_contract_search")]

    operations = [
        migrations.AddField(
            model_name="contract",
            name="bill_from",
            field=models.DateField(
                blank=True,
                help_text="この月から請求します（1日の日付、空欄は最初の月から）",
                null=True,
                verbose_name="請求開始年月",
            ),
        ),
        migrations.AddField(
            model_name="contract",
            name="withdrawn_on",
            field=models.DateField(editable=False, null=True, verbose_name="取消日"),
        ),
        migrations.AddField(
            model_name="contractline",
            name="continues",
            field=models.ForeignKey(
                db_constraint=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="continuations",
                to="contracts.contractline",
                verbose_name="変更前の明細",
            ),
        ),
        migrations.AddConstraint(
            model_name="contract",
            constraint=models.CheckConstraint(
                condition=models.Q(("bill_from", None), ("bill_from__day", 1), _connector="OR"),
                name="contract_bill_from_is_first_day",
                violation_error_message="請求開始年月は月の1日を入力してください",
            ),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
