"""Kinds of mails and of events are named by the models alone: another one changes no column."""

from django.db import migrations, models

import portal.models.records


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0032_list_indexes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="historyevent",
            name="action",
            field=models.CharField(choices=portal.models.records.actions, max_length=40, verbose_name="操作"),
        ),
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(choices=portal.models.records.mail_kinds, max_length=30, verbose_name="種類"),
        ),
    ]
