"""Sessions that know whose they are, the throttle, the second factor, and what the web may do with them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.db.schema import ROLE, grant

OWN = "user_id IN (SELECT id FROM accounts_user)"  # which shows the web one customer's users only
TOKENS = f"device_id IN (SELECT id FROM otp_static_staticdevice WHERE {OWN})"


def behind_users(table, rule):
    return f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own_customer ON {table} TO {ROLE} USING ({rule}) WITH CHECK ({rule});
        GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {ROLE};
    """


RULES = [
    grant("SELECT, INSERT, UPDATE, DELETE", "accounts_session, accounts_throttle"),
    grant("INSERT", "accounts_user"),
    grant(
        "UPDATE (name, kana, email, department, position, phone, is_manager, is_recipient, is_active, version)",
        "accounts_user",
    ),
    # A deferred trigger runs as whoever queued it, perhaps when the customer's setting is gone; it has to count all rows.
    "ALTER FUNCTION check_user_flags() SECURITY DEFINER SET search_path FROM CURRENT;",
    behind_users("otp_totp_totpdevice", OWN),
    behind_users("otp_static_staticdevice", OWN),
    behind_users("otp_static_statictoken", TOKENS),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_rules"),
        ("otp_static", "0003_add_timestamps"),
        ("otp_totp", "0003_add_timestamps"),
    ]

    operations = [
        migrations.CreateModel(
            name="Throttle",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("tries", models.PositiveIntegerField()),
                ("tried_at", models.DateTimeField(db_index=True)),
                ("free_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="customer",
            name="needs_second_factor",
            field=models.BooleanField(
                default=False,
                help_text="この会社の全ユーザが次のログインで設定します",
                verbose_name="2段階認証を必須にする",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="version",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "session_key",
                    models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name="session key"),
                ),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("signed_in_at", models.DateTimeField(null=True, verbose_name="ログイン日時")),
                ("address", models.CharField(blank=True, max_length=45, verbose_name="IPアドレス")),
                ("browser", models.CharField(blank=True, max_length=60, verbose_name="ブラウザ")),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="利用者",
                    ),
                ),
            ],
            options={
                "verbose_name": "ログイン中の端末",
                "verbose_name_plural": "ログイン中の端末",
            },
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
