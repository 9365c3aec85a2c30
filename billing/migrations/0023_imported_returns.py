"""What is given back of an imported document stands for no line: it may not exceed the document."""

from django.db import migrations, models

from portal.db.schema import SEARCH_PATH

# Such a line has no other that it stands for, so the document's total is what returns can't exceed. It is locked, so that two of
# them can't get past each other.
RETURNS = f"""
    CREATE FUNCTION check_return_of_imported() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM billing_invoice r JOIN billing_invoice i ON i.id = r.corrects_id
            WHERE r.id = NEW.invoice_id AND r.kind = 'return' AND i.kind = 'imported' AND i.state = 'fixed') THEN
            RAISE EXCEPTION 'line % returns nothing of an imported document', NEW.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_give_back_what_was_charged';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER returns_of_imported AFTER INSERT OR UPDATE OF replaces_id, origin, invoice_id ON billing_invoiceline
        FOR EACH ROW WHEN (NEW.origin = 'return' AND NEW.replaces_id IS NULL) EXECUTE FUNCTION check_return_of_imported();
    CREATE FUNCTION check_sum_of_returns() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$
    DECLARE original billing_invoice%ROWTYPE;
    BEGIN
        SELECT * INTO original FROM billing_invoice WHERE id = NEW.corrects_id AND kind = 'imported' FOR NO KEY UPDATE;
        IF FOUND AND original.total + (SELECT sum(total) FROM billing_invoice
            WHERE corrects_id = original.id AND kind IN ('return', 'imported') AND state = 'fixed') < 0 THEN
            RAISE EXCEPTION 'returns of invoice % exceed it', original.number
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_give_back_what_was_charged';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER returns_within_imported AFTER UPDATE OF state ON billing_invoice
        FOR EACH ROW WHEN (NEW.kind = 'return' AND NEW.state = 'fixed' AND OLD.state = 'draft')
        EXECUTE FUNCTION check_sum_of_returns();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_document_settings"),
        ("billing", "0022_uploads"),
        ("contracts", "0009_purchase_order"),
        ("orders", "0005_export_kind"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="invoiceline",
            name="line_names_what_it_replaces",
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("origin__in", ["correction", "rebill", "return"]),
                        ("replaces__isnull", False),
                        ("root__isnull", False),
                    ),
                    models.Q(
                        models.Q(("origin__in", ["correction", "rebill"]), _negated=True),
                        ("replaces", None),
                        ("root", None),
                    ),
                    _connector="OR",
                ),
                name="line_names_what_it_replaces",
            ),
        ),
        migrations.RunSQL(RETURNS, migrations.RunSQL.noop),
    ]
