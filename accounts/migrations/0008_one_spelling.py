"""Addresses in their one spelling: who was stored with another one could no longer sign in. Names without URLs."""

from django.core.exceptions import ValidationError
from django.db import migrations, models

import accounts.models
from portal import reading


def spell(apps, schema_editor):
    """What can't be spelled, or is taken by its twin, stays; staff see it in the list of users."""
    users = apps.get_model("accounts", "User").objects
    for pk, email in users.filter(email__isnull=False).values_list("pk", "email"):
        try:
            spelled = reading.email(email)
        except ValidationError:
            continue
        if spelled != email and not users.filter(email=spelled).exists():
            users.filter(pk=pk).update(email=spelled)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_user_search")]

    operations = [
        migrations.RunPython(spell, migrations.RunPython.noop),
        *[
            migrations.AlterField(
                model_name="user",
                name=name,
                field=models.CharField(
                    blank=name != "name", max_length=100, validators=[accounts.models.plain_words], verbose_name=label
                ),
            )
            for name, label in [("name", "名前"), ("kana", "フリガナ"), ("department", "部署"), ("position", "役職")]
        ],
    ]
