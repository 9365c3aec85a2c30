"""Inquiries get numbers, given by the web itself; a form that was sent is known by its one-time key."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.db.schema import ROLE, grant, policy, same_customer

NUMBER_EARLIER = """
    UPDATE portal_inquiry i SET number = n.number FROM (
        SELECT id, 'Q' || month || '-' || lpad((row_number() OVER (PARTITION BY month ORDER BY created_at, id))::text, 6, '0')
            AS number
        FROM (SELECT id, created_at, to_char(created_at AT TIME ZONE 'Asia/Tokyo', 'YYYYMM') AS month FROM portal_inquiry) m
    ) n WHERE n.id = i.id;
    INSERT INTO portal_counter (series, value)
        SELECT left(number, 8), count(*) FROM portal_inquiry GROUP BY 1;
    SET CONSTRAINTS ALL IMMEDIATE;
"""

# The web numbers inquiries and nothing else.
RULES = [
    f"""
    ALTER TABLE portal_counter ENABLE ROW LEVEL SECURITY;
    CREATE POLICY inquiries ON portal_counter TO {ROLE} USING (series LIKE 'Q%') WITH CHECK (series LIKE 'Q%');
    """,
    grant("SELECT, INSERT, UPDATE", "portal_counter"),
    policy("portal_sentform"),
    grant("INSERT, UPDATE, DELETE", "portal_sentform"),
    same_customer("portal_sentform", "user_id", "accounts_user"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_hashed_session_keys"),
        ("portal", "0006_own_people"),
    ]

    operations = [
        migrations.AddField(
            model_name="inquiry",
            name="number",
            field=models.CharField(default="", max_length=20, verbose_name="受付番号"),
            preserve_default=False,
        ),
        migrations.RunSQL(NUMBER_EARLIER, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="inquiry",
            name="number",
            field=models.CharField(max_length=20, unique=True, verbose_name="受付番号"),
        ),
        migrations.AddConstraint(
            model_name="inquiry",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__regex", "^[A-Z0-9-]{1,20}$")), name="inquiry_number_form"
            ),
        ),
        migrations.CreateModel(
            name="SentForm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=32)),
                ("answer", models.CharField(blank=True, max_length=200)),
                ("sent_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                (
                    "customer",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to="accounts.customer"),
                ),
                (
                    "user",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "key"), name="form_sent_once")],
            },
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
