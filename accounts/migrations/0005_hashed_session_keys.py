"""The table of sessions holds hashes of keys; the web's role sees and ends its company's, and can make or change none."""

from django.db import migrations, models

from portal.db.schema import ROLE

RULES = [
    "DELETE FROM accounts_session;",  # they hold keys as they are: everybody signs in once more
    f"""
    REVOKE ALL ON accounts_session FROM {ROLE};
    GRANT SELECT (session_key, user_id, expire_date, signed_in_at, address, browser), DELETE
        ON accounts_session TO {ROLE};
    ALTER TABLE accounts_session ENABLE ROW LEVEL SECURITY;
    -- accounts_user shows the web one customer's users only.
    CREATE POLICY own_customer ON accounts_session TO {ROLE} USING (user_id IN (SELECT id FROM accounts_user));
    """,
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_user_bounced")]

    operations = [
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="session",
            name="session_key",
            field=models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name="キーのSHA-256"),
        ),
    ]
