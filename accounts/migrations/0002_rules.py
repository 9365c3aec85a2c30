"""What the web may do with customers and users; a company's users always have a recipient and a manager (A10, D14)."""

from django.db import migrations

from portal.db.schema import grant, policy

RULES = [
    policy("accounts_customer", "id"),
    policy("accounts_user"),
    # FOR UPDATE on the customer's row needs the right to update one of its columns.
    grant("UPDATE (updated_at)", "accounts_customer"),
    grant("UPDATE (password, must_change_password, password_expires_at, last_login, language)", "accounts_user"),
    """
    CREATE FUNCTION check_user_flags() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE company bigint; people bigint; recipients bigint; managers bigint;
    BEGIN
        FOR company IN SELECT DISTINCT id FROM unnest(ARRAY[
            CASE WHEN TG_OP <> 'INSERT' THEN OLD.customer_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.customer_id END
        ]) id WHERE id IS NOT NULL LOOP
            SELECT count(*), count(*) FILTER (WHERE is_recipient), count(*) FILTER (WHERE is_manager)
                INTO people, recipients, managers FROM accounts_user WHERE customer_id = company AND is_active;
            IF people > 0 AND (recipients <> 1 OR managers = 0) THEN
                RAISE EXCEPTION 'customer % needs one mail recipient and a manager (has % and %)',
                    company, recipients, managers
                    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'company_has_its_flags';
            END IF;
        END LOOP;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER company_has_its_flags
        AFTER INSERT OR DELETE OR UPDATE OF is_recipient, is_manager, is_active, customer_id ON accounts_user
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_user_flags();
    """,
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("portal", "0002_rules")]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
