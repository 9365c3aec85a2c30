"""社内確認: rows are only ever added, by the company's own people, to documents that are fixed."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.db.schema import SEARCH_PATH, grant, policy, same_customer

RULES = [
    same_customer("billing_review", "invoice_id", "billing_invoice"),
    same_customer("billing_review", "user_id", "accounts_user"),
    policy("billing_review"),
    grant("INSERT", "billing_review"),
    f"""
    CREATE FUNCTION refuse_review_of_draft() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$ BEGIN
        IF NOT EXISTS (SELECT FROM billing_invoice WHERE id = NEW.invoice_id AND state <> 'draft') THEN
            RAISE EXCEPTION 'invoice % is not fixed: no review', NEW.invoice_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'drafts_have_no_review';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER only_of_fixed BEFORE INSERT ON billing_review FOR EACH ROW EXECUTE FUNCTION refuse_review_of_draft();
    CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON billing_review FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER only_added_all BEFORE TRUNCATE ON billing_review FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """,
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_one_spelling"),
        ("billing", "0013_number_gone"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "未確認"), ("checked", "確認済"), ("arranged", "支払手配済")],
                        default="checked",
                        max_length=8,
                        verbose_name="社内確認",
                    ),
                ),
                ("memo", models.CharField(blank=True, max_length=200, verbose_name="メモ")),
                ("at", models.DateTimeField(auto_now_add=True, verbose_name="日時")),
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
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to="billing.invoice",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "社内確認",
                "verbose_name_plural": "社内確認",
                "ordering": ["-pk"],
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        models.F("customer"),
                        models.F("invoice"),
                        models.OrderBy(models.F("id"), descending=True),
                        name="reviews_of_invoice",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["open", "checked", "arranged"])), name="review_state_known"
                    )
                ],
            },
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
