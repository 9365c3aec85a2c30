"""What each 点検 of a month has found is kept: rows are only ever added."""

from django.db import migrations, models

RULES = """
    CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON billing_monthcheck FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER only_added_all BEFORE TRUNCATE ON billing_monthcheck FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0027_list_indexes")]

    operations = [
        migrations.CreateModel(
            "MonthCheck",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(verbose_name="対象年月")),
                ("at", models.DateTimeField(verbose_name="日時")),
                ("is_closed", models.BooleanField(verbose_name="締め後")),
                ("findings", models.JSONField(default=list, verbose_name="結果")),
            ],
            {
                "verbose_name": "点検",
                "verbose_name_plural": "点検",
                "ordering": ["-at"],
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        models.F("month"), models.OrderBy(models.F("at"), descending=True), name="checks_of_month"
                    ),
                    models.Index(
                        models.F("at"), condition=models.Q(("is_closed", False)), name="checks_of_open_months"
                    ),
                ],
            },
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
