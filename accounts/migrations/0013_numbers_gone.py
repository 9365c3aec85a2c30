from django.db import migrations

# The number of a company that was taken away is never given again (D20), whoever asks.
NUMBERS_GONE = """
    CREATE FUNCTION customer_numbers_are_new() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (
            SELECT FROM rows JOIN portal_historyevent h ON h.subject = rows.number WHERE h.action = 'customer_deleted'
        ) THEN
            RAISE EXCEPTION 'the number of a deleted customer is never given again' USING ERRCODE = 'unique_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER numbers_are_new AFTER INSERT ON accounts_customer REFERENCING NEW TABLE AS rows
        FOR EACH STATEMENT EXECUTE FUNCTION customer_numbers_are_new();
    CREATE TRIGGER changed_numbers_are_new AFTER UPDATE ON accounts_customer REFERENCING NEW TABLE AS rows
        FOR EACH STATEMENT EXECUTE FUNCTION customer_numbers_are_new();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_see_as"), ("portal", "0028_deletions")]

    operations = [migrations.RunSQL(NUMBERS_GONE, migrations.RunSQL.noop)]
