"""What the web's role may do to the queue and the counter is what its pages do: deliver own mails, count inquiries by one."""

from django.db import migrations

from portal.db.schema import ROLE, SEARCH_PATH

# Staff's pages run as the owner, so does a reset of somebody who isn't known yet: neither meets these.
DELIVERIES = f"""
    ALTER TABLE procrastinate_jobs ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own_deliveries ON procrastinate_jobs TO {ROLE} USING (task_name = 'portal.deliver') WITH CHECK (
        task_name = 'portal.deliver' AND queue_name = 'mail' AND status = 'todo'
        AND EXISTS (SELECT FROM portal_mail WHERE id = (args ->> 'mail_id')::bigint)
    );
"""
ONE_BY_ONE = f"""
    CREATE FUNCTION refuse_counting_by_leaps() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$ BEGIN
        IF TG_OP = 'INSERT' AND NEW.value = 1
            OR TG_OP = 'UPDATE' AND NEW.series = OLD.series AND NEW.value = OLD.value + 1
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'numbers of % are counted one by one', NEW.series
            USING ERRCODE = 'check_violation', CONSTRAINT = 'counted_one_by_one';
    END $$;
    CREATE TRIGGER counted_one_by_one BEFORE INSERT OR UPDATE ON portal_counter FOR EACH ROW
        WHEN (current_user = '{ROLE}') EXECUTE FUNCTION refuse_counting_by_leaps();
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0009_staff_changes"), ("procrastinate", "0041_post_retry_failed_job")]
    operations = [migrations.RunSQL([DELIVERIES, ONE_BY_ONE], migrations.RunSQL.noop)]
