"""The web's role, what it may do with the portal's own tables, and a history that can only grow."""

from django.db import migrations

from portal.db.schema import CREATE_ROLE, ROLE, grant, policy

RULES = [
    CREATE_ROLE,
    *[
        grant("SELECT", f"portal_{table}")
        for table in ("vendor", "vendorregistration", "taxclass", "calendarday", "faqentry")
    ],
    *[policy(f"portal_{table}") for table in ("mail", "historyevent", "inquiry", "columnchoice")],
    grant("INSERT", "portal_mail, portal_historyevent, portal_inquiry"),
    grant("INSERT, UPDATE, DELETE", "portal_columnchoice"),
    grant("INSERT, SELECT (id)", "procrastinate_jobs"),
    grant("INSERT", "procrastinate_events"),
    f"GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq TO {ROLE};",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        -- Tests that commit empty all tables; the setting exists in their connections only.
        IF TG_OP = 'TRUNCATE' AND current_setting('portal.test_database', true) = 'on' THEN RETURN NULL; END IF;
        RAISE EXCEPTION '% is only ever added to (%)', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
    END $$;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON portal_historyevent
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER append_only_all BEFORE TRUNCATE ON portal_historyevent
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """,
]


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0001_initial"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]
    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
