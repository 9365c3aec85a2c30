"""JP PINT beside the PDF: of fixed documents only, stored once, never changed."""

import django.db.models.deletion
from django.db import migrations, models

from portal.db.schema import policy, same_customer

RULES = [
    same_customer("billing_invoicexml", "invoice_id", "billing_invoice"),
    policy("billing_invoicexml"),
    """
    CREATE TRIGGER only_of_fixed BEFORE INSERT ON billing_invoicexml
        FOR EACH ROW EXECUTE FUNCTION refuse_pdf_of_draft();
    CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_invoicexml
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER frozen_all BEFORE TRUNCATE ON billing_invoicexml
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """,
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_one_spelling"),
        ("billing", "0015_used_facts"),
    ]

    operations = [
        migrations.CreateModel(
            name="InvoiceXml",
            fields=[
                (
                    "invoice",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="xml",
                        serialize=False,
                        to="billing.invoice",
                    ),
                ),
                ("content", models.BinaryField()),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                ("size", models.PositiveIntegerField(verbose_name="サイズ")),
                ("rules", models.CharField(max_length=30, verbose_name="規格")),
                ("made_at", models.DateTimeField(auto_now_add=True, verbose_name="作成日時")),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "デジタルインボイス",
                "verbose_name_plural": "デジタルインボイス",
                "default_permissions": (),
                "indexes": [models.Index(fields=["customer", "invoice"], include=("size",), name="xml_of_invoice")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "sha256",
                                models.Func(
                                    models.F("content"),
                                    output_field=models.CharField(),
                                    template="encode(sha256(%(expressions)s), 'hex')",
                                ),
                            )
                        ),
                        name="xml_is_what_was_hashed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "size",
                                models.Func(
                                    models.F("content"), function="octet_length", output_field=models.IntegerField()
                                ),
                            )
                        ),
                        name="xml_is_whole",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
