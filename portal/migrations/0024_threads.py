"""Inquiries become threads: a state, who cares for it, and messages that are only ever added."""

import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from portal.db.schema import ROLE, SEARCH_PATH, grant, policy, same_customer

EARLIER = """
    UPDATE portal_inquiry SET asked_at = created_at, state = CASE WHEN handled_at IS NULL THEN 'waiting' ELSE 'done' END;
    SET CONSTRAINTS ALL IMMEDIATE;
"""

# What was asked stays as it was; only how far it is, and who cares for it, moves. The web may do no more than ask again.
INQUIRIES = f"""
    CREATE TRIGGER words_stay BEFORE UPDATE ON portal_inquiry FOR EACH ROW
        WHEN ((OLD.number, OLD.customer_id, OLD.user_id, OLD.via, OLD.entered_by_id, OLD.kind, OLD.subject, OLD.body,
               OLD.about, OLD.created_at)
            IS DISTINCT FROM (NEW.number, NEW.customer_id, NEW.user_id, NEW.via, NEW.entered_by_id, NEW.kind, NEW.subject,
               NEW.body, NEW.about, NEW.created_at))
        EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER stays BEFORE DELETE ON portal_inquiry FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER all_stay BEFORE TRUNCATE ON portal_inquiry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER web_asks_only BEFORE INSERT OR UPDATE ON portal_inquiry FOR EACH ROW
        WHEN (current_user = '{ROLE}' AND NEW.state <> 'waiting') EXECUTE FUNCTION refuse_change();
    CREATE FUNCTION check_desk_of_inquiry() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$ BEGIN
        IF EXISTS (
            SELECT FROM unnest(ARRAY[NEW.assignee_id, NEW.entered_by_id]) AS named (id)
            WHERE id IS NOT NULL AND NOT EXISTS (SELECT FROM accounts_user u WHERE u.id = named.id AND u.customer_id IS NULL)
        ) THEN
            RAISE EXCEPTION 'only staff care for inquiries'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'inquiry_desk_is_staff';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER assignee_is_own BEFORE INSERT OR UPDATE OF assignee_id ON portal_inquiry FOR EACH ROW
        WHEN (NEW.assignee_id IS NOT NULL) EXECUTE FUNCTION check_desk_of_inquiry();
    CREATE TRIGGER entered_by_is_own BEFORE INSERT OR UPDATE OF entered_by_id ON portal_inquiry FOR EACH ROW
        WHEN (NEW.entered_by_id IS NOT NULL) EXECUTE FUNCTION check_desk_of_inquiry();
"""
# Memos (社内メモ) don't exist for the web, whoever asks through it; and it writes as the customer only.
MESSAGES = f"""
    CREATE POLICY no_memos ON portal_message AS RESTRICTIVE TO {ROLE}
        USING (kind <> 'memo') WITH CHECK (kind = 'customer');
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON portal_message
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER append_only_all BEFORE TRUNCATE ON portal_message
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    CREATE FUNCTION refuse_foreign_author() RETURNS trigger LANGUAGE plpgsql SET search_path = {SEARCH_PATH} AS $$ BEGIN
        IF NOT EXISTS (
            SELECT FROM accounts_user WHERE id = NEW.author_id
            AND CASE NEW.kind WHEN 'customer' THEN customer_id = NEW.customer_id ELSE customer_id IS NULL END
        ) THEN
            RAISE EXCEPTION 'user % writes no % of customer %', NEW.author_id, NEW.kind, NEW.customer_id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'author_is_own';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER author_is_own BEFORE INSERT ON portal_message FOR EACH ROW EXECUTE FUNCTION refuse_foreign_author();
"""
RULES = [
    grant("UPDATE (state, asked_at, handled_at)", "portal_inquiry"),
    INQUIRIES,
    policy("portal_message"),
    grant("INSERT", "portal_message"),
    same_customer("portal_message", "inquiry_id", "portal_inquiry"),
    MESSAGES,
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_searching"),
        ("portal", "0023_see_as"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("customer", "お客様"), ("answer", "返信"), ("memo", "社内メモ")], max_length=8
                    ),
                ),
                ("author_name", models.CharField(max_length=100)),
                ("body", models.TextField(max_length=4000)),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "やりとり",
                "verbose_name_plural": "やりとり",
                "ordering": ["pk"],
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="inquiry",
            name="asked_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                default=django.utils.timezone.now,
                verbose_name="お客様が最後に書いた日時",
            ),
        ),
        migrations.AddField(
            model_name="inquiry",
            name="assignee",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="担当",
            ),
        ),
        migrations.AddField(
            model_name="inquiry",
            name="entered_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="入力した担当者",
            ),
        ),
        migrations.AddField(
            model_name="inquiry",
            name="state",
            field=models.CharField(
                choices=[("waiting", "返信待ち"), ("answered", "お客様の返事待ち"), ("held", "保留"), ("done", "完了")],
                db_default="waiting",
                default="waiting",
                max_length=8,
                verbose_name="状態",
            ),
        ),
        migrations.AddField(
            model_name="inquiry",
            name="via",
            field=models.CharField(
                choices=[("portal", "ポータル"), ("phone", "電話"), ("mail", "メール"), ("other", "その他")],
                db_default="portal",
                default="portal",
                max_length=10,
                verbose_name="受付方法",
            ),
        ),
        migrations.RunSQL(EARLIER, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="inquiry",
            name="created_at",
            field=models.DateTimeField(auto_now_add=True, verbose_name="受付日時"),
        ),
        migrations.AlterField(
            model_name="inquiry",
            name="handled_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="完了日時"),
        ),
        migrations.AlterField(
            model_name="inquiry",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
                verbose_name="送信者",
            ),
        ),
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("invoice_fixed", "請求金額確定"),
                    ("invoice_corrected", "請求書の差替え"),
                    ("invoice_returned", "返還請求書の発行"),
                    ("invoice_void", "請求の取消"),
                    ("invoice_reminder", "支払期日"),
                    ("account_created", "アカウント情報（パスワード）"),
                    ("account_link", "アカウント情報（URL）"),
                    ("account_typed", "アカウント情報（パスワードは入力者に確認）"),
                    ("reset_confirm", "パスワードリセット確認"),
                    ("reset_password", "パスワード更新"),
                    ("reset_unknown", "宛先なし"),
                    ("password_changed", "パスワード変更"),
                    ("password_set", "パスワード変更（ほかのユーザによる）"),
                    ("address_changed", "Eメール変更"),
                    ("recipient_changed", "メール送信先変更"),
                    ("second_factor_on", "2段階認証の設定"),
                    ("second_factor_off", "2段階認証の解除"),
                    ("inquiry", "お問い合わせ"),
                    ("inquiry_copy", "お問い合わせの控え"),
                    ("inquiry_more", "お問い合わせの追記"),
                    ("inquiry_answer", "お問い合わせへの返信"),
                ],
                max_length=30,
                verbose_name="種類",
            ),
        ),
        migrations.AddIndex(
            model_name="inquiry",
            index=models.Index(condition=models.Q(("state", "waiting")), fields=["asked_at"], name="inquiries_waiting"),
        ),
        migrations.AddConstraint(
            model_name="inquiry",
            constraint=models.UniqueConstraint(fields=("customer", "id"), name="inquiry_customer_key"),
        ),
        migrations.AddConstraint(
            model_name="inquiry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("handled_at", None), ("state__in", ["waiting", "answered", "held"])),
                    models.Q(("handled_at__isnull", False), ("state", "done")),
                    _connector="OR",
                ),
                name="inquiry_done_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="inquiry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("entered_by", None), ("user__isnull", False), ("via", "portal")),
                    models.Q(("entered_by__isnull", False), ("via__in", ["phone", "mail", "other"])),
                    _connector="OR",
                ),
                name="inquiry_came_by_somebody",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="author",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="customer",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, to="accounts.customer"
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="inquiry",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="messages", to="portal.inquiry"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["customer", "answer", "memo"])), name="message_kind_known"
            ),
        ),
        migrations.RunSQL(RULES, migrations.RunSQL.noop),
    ]
