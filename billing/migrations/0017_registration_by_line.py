"""A document's 登録番号 is that of its lines' days (D41): a document stands on a registration that ended before its month, too."""

from django.db import migrations

from portal.db.schema import SEARCH_PATH

OF_REGISTRATION = """
    FROM billing_invoice WHERE state <> 'draft' AND issuer ->> 'registration_number' = OLD.number
        AND (month + interval '1 month')::date - 1 >= OLD.valid_from
"""
GUARD = f"""
    CREATE OR REPLACE FUNCTION refuse_change_of_used_vendorregistration() RETURNS trigger LANGUAGE plpgsql
    SET search_path = {SEARCH_PATH} SET plan_cache_mode = force_custom_plan AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND (OLD.number, OLD.valid_from) = (NEW.number, NEW.valid_from)
            AND coalesce(NEW.valid_to, 'infinity') >= coalesce(least(OLD.valid_to, (
                SELECT (max(month) + interval '1 month')::date - 1 {OF_REGISTRATION})), '-infinity') THEN RETURN NEW; END IF;
        IF EXISTS (SELECT {OF_REGISTRATION}) THEN
            RAISE EXCEPTION 'fixed invoices stand on the row: % of % refused', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'billed_months_stay';
        END IF;
        RETURN coalesce(NEW, OLD);
    END
    $$;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0016_einvoice")]
    operations = [migrations.RunSQL(GUARD, migrations.RunSQL.noop)]
