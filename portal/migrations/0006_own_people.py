"""Who is named in a company's row is one of its people: in mails, inquiries, columns, and as actor in the history."""

from django.db import migrations

from portal.db.schema import SEARCH_PATH, same_customer

# Staff act on every company's behalf. The web's role sees its company's people only, so it can name nobody else at all.
ACTOR = f"""
    CREATE FUNCTION refuse_foreign_actor() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$ BEGIN
        IF NOT EXISTS (
            SELECT FROM accounts_user
            WHERE id = NEW.actor_id AND (customer_id IS NULL OR customer_id = NEW.customer_id)
        ) THEN
            RAISE EXCEPTION 'user % is not one of customer %', NEW.actor_id, NEW.customer_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'actor_is_own';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER actor_is_own BEFORE INSERT ON portal_historyevent FOR EACH ROW
        WHEN (NEW.actor_id IS NOT NULL AND NEW.customer_id IS NOT NULL) EXECUTE FUNCTION refuse_foreign_actor();
"""

RULES = [
    *[same_customer(f"portal_{table}", "user_id", "accounts_user") for table in ("mail", "inquiry", "columnchoice")],
    ACTOR,
]


class Migration(migrations.Migration):
    dependencies = [("portal", "0005_mail_kinds"), ("accounts", "0003_sessions_and_throttle")]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
